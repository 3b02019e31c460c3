package redis

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // see digest
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/penstock-io/penstock/pipeline"
)

const (
	// maxLine bounds a line of the protocol (type, length, error text).
	maxLine = 4 << 10
	// maxBulk is the largest string that Redis holds unless proto-max-bulk-len
	// says otherwise.
	maxBulk = 512 << 20
	// announced is how much memory is taken because the other side says that so
	// many bytes will come; for more than that they must have come.
	announced = 1 << 20
)

var errNotRESP = errors.New("the reply is not Redis's protocol")

// next reads the head of the next part of a reply: its kind and its number (the
// length of what follows, -1 for null; an integer's value). What follows '$' is
// to be read by bulk, what follows '*' by more calls of next. A simple string is
// skipped. An error of the server is a replyError, and the connection goes on.
func (c *conn) next() (kind byte, n int64, err error) {
	line, err := c.r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return 0, 0, errors.New("a line of the reply is too long for Redis")
	case err != nil:
		return 0, 0, err
	case len(line) < 3 || len(line) > maxLine || line[len(line)-2] != '\r':
		return 0, 0, errNotRESP
	}
	kind, text := line[0], line[1:len(line)-2]
	switch kind {
	case '-':
		return kind, 0, replyError(text)
	case '+':
		return kind, 0, nil
	case '*', '$', ':':
		n, ok := parseInt(text)
		if !ok || kind != ':' && n < -1 {
			return kind, 0, errNotRESP
		}
		if kind == '$' && n > maxBulk {
			return kind, 0, &pipeline.Error{Class: pipeline.Permanent,
				What: fmt.Sprintf("Redis announces a value of %d bytes, and %d is the most that is taken", n, maxBulk),
				Do:   "see what writes values of that size, and remove this one"}
		}
		return kind, n, nil
	}
	return kind, 0, fmt.Errorf("the reply holds a part of unknown kind %q", kind)
}

// array reads the head of an array and gives its length, -1 for null.
func (c *conn) array() (int64, error) { return c.expect('*') }

// expect reads a head of one kind.
func (c *conn) expect(want byte) (int64, error) {
	kind, n, err := c.next()
	if err == nil && kind != want {
		return 0, fmt.Errorf("the reply holds a part of kind %q where %q belongs", kind, want)
	}
	return n, err
}

// bulk reads the n bytes that follow a '$', into dst[:n] where that has room,
// else into memory that grows as they come.
func (c *conn) bulk(dst []byte, n int64) ([]byte, error) {
	dst = dst[:0]
	for int64(len(dst)) < n {
		have := len(dst)
		if have == cap(dst) {
			dst = slices.Grow(dst, int(min(n-int64(have), max(int64(have), announced))))
		}
		dst = dst[:min(n, int64(cap(dst)))]
		if _, err := io.ReadFull(c.r, dst[have:]); err != nil {
			return nil, cutShort(err)
		}
	}
	return dst, c.lineEnd()
}

// lineEnd reads the end of a line, which follows each bulk string.
func (c *conn) lineEnd() error {
	end, err := c.r.Peek(2)
	if err != nil {
		return cutShort(err)
	}
	if end[0] != '\r' || end[1] != '\n' {
		return errNotRESP
	}
	_, err = c.r.Discard(2)
	return err
}

// cutShort is the error of a reply that ended before it was complete.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// digest reads the n bytes that follow a '$' and gives their SHA-1, in hex.
func (c *conn) digest(n int64) (string, error) {
	sum := sha1.New() //nolint:gosec // it recognises items, against accidents; Redis scripts have no other
	if _, err := io.CopyN(sum, c.r, n); err != nil {
		return "", cutShort(err)
	}
	return hex.EncodeToString(sum.Sum(nil)), c.lineEnd()
}

// glimpse reads the n bytes that follow a '$', few enough for the buffer. They
// are valid until the next read.
func (c *conn) glimpse(n int64) ([]byte, error) {
	b, err := c.r.Peek(int(n) + 2)
	switch {
	case err != nil:
		return nil, cutShort(err)
	case b[n] != '\r' || b[n+1] != '\n':
		return nil, errNotRESP
	}
	_, err = c.r.Discard(len(b))
	return b[:n], err
}

// skip reads over the n bytes that follow a '$'; -1, null: over nothing.
func (c *conn) skip(n int64) error {
	if n < 0 {
		return nil
	}
	if _, err := io.CopyN(io.Discard, c.r, n); err != nil {
		return cutShort(err)
	}
	return c.lineEnd()
}

// text reads a whole bulk string of at most maxLine bytes, "" for null.
func (c *conn) text() (string, error) {
	n, err := c.expect('$')
	if err != nil || n < 0 {
		return "", err
	}
	if n > maxLine {
		return "", errNotRESP
	}
	b, err := c.glimpse(n)
	return string(b), err
}

// parseInt reads a decimal number, as strconv would, without a string.
func parseInt(text []byte) (int64, bool) {
	negative := len(text) > 0 && text[0] == '-'
	if negative {
		text = text[1:]
	}
	n, ok := parseUint(text)
	if !ok || n > 1<<62 {
		return 0, false
	}
	if negative {
		return -int64(n), true
	}
	return int64(n), true
}

// parseUint reads a decimal number; false where there is none, or it is too
// large.
func parseUint(text []byte) (uint64, bool) {
	if len(text) == 0 || len(text) > 20 {
		return 0, false
	}
	var n uint64
	for _, c := range text {
		d := uint64(c - '0')
		if d > 9 || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
