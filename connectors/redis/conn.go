package redis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// answerPatience is how long a server may take to answer what it can answer
	// at once.
	answerPatience = 5 * time.Second
	// readBuffer holds a reply's small parts together.
	readBuffer = 64 << 10
	// maxLine bounds a line of the protocol (type, length, error text).
	maxLine = 4 << 10
)

// conn is one connection that speaks RESP2
// (https://redis.io/docs/latest/develop/reference/protocol-spec/) and hands out
// the parts of a reply as they come, so that a reply need not fit in memory. Not
// safe for concurrent use, except close. After any error but a replyError it is
// of no use.
type conn struct {
	net net.Conn
	r   *bufio.Reader
	w   []byte
}

// replyError is an error that the server has sent.
type replyError string

func (e replyError) Error() string { return string(e) }

// dial connects, logs in and chooses the database, as the options say.
func dial(ctx context.Context, o *redis.Options) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	n, err := redis.NewDialer(o)(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, err
	}
	c := &conn{net: n, r: bufio.NewReaderSize(n, readBuffer)}
	defer c.interrupt(ctx)()
	if err := c.greet(o); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *conn) greet(o *redis.Options) error {
	replies := 1
	switch {
	case o.Username != "":
		c.command("AUTH", o.Username, o.Password)
	case o.Password != "":
		c.command("AUTH", o.Password)
	default:
		replies--
	}
	if o.DB != 0 {
		c.command("SELECT", strconv.Itoa(o.DB))
		replies++
	}
	if replies == 0 {
		return nil
	}
	if err := c.flush(answerPatience); err != nil {
		return err
	}
	for range replies {
		if _, _, err := c.next(); err != nil {
			return err
		}
	}
	return nil
}

// interrupt makes blocked reads and writes return when ctx ends. The function
// it gives ends that.
func (c *conn) interrupt(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() { c.net.SetDeadline(time.Unix(1, 0)) }) //nolint:errcheck // a closed connection is interrupted already
}

func (c *conn) close() { c.net.Close() } //nolint:errcheck // nothing can be done about it

// command adds a command to what flush will send.
func (c *conn) command(args ...string) {
	c.w = appendHeader(c.w, '*', len(args))
	for _, arg := range args {
		c.w = appendHeader(c.w, '$', len(arg))
		c.w = append(append(c.w, arg...), '\r', '\n')
	}
}

func appendHeader(dst []byte, kind byte, n int) []byte {
	return append(strconv.AppendInt(append(dst, kind), int64(n), 10), '\r', '\n')
}

// flush sends the commands. Each read of the replies must then succeed within
// patience.
func (c *conn) flush(patience time.Duration) error {
	if err := c.net.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := c.net.Write(c.w)
	c.w = c.w[:0]
	return err
}

// ready blocks until a reply begins to come.
func (c *conn) ready() error {
	_, err := c.r.Peek(1)
	return err
}

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
		return 0, 0, errors.New("the reply is not Redis's protocol")
	}
	kind, text := line[0], line[1:len(line)-2]
	switch kind {
	case '-':
		return kind, 0, replyError(text)
	case '+':
		return kind, 0, nil
	case '*', '$', ':':
		n, ok := parseInt(text)
		if !ok {
			return kind, 0, errors.New("the reply holds a number that is none")
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

// bulk reads the n bytes that follow a '$' into dst, which has room for them.
func (c *conn) bulk(dst []byte, n int64) ([]byte, error) {
	dst = dst[:n]
	if _, err := io.ReadFull(c.r, dst); err != nil {
		return nil, err
	}
	_, err := c.r.Discard(2)
	return dst, err
}

// glimpse reads the n bytes that follow a '$', few enough for the buffer. They
// are valid until the next read.
func (c *conn) glimpse(n int64) ([]byte, error) {
	b, err := c.r.Peek(int(n) + 2)
	if err != nil {
		return nil, err
	}
	_, err = c.r.Discard(len(b))
	return b[:n], err
}

// skip reads over the n bytes that follow a '$'.
func (c *conn) skip(n int64) error {
	_, err := c.r.Discard(int(n) + 2)
	return err
}

// text reads a whole bulk string of at most maxLine bytes, "" for null.
func (c *conn) text() (string, error) {
	n, err := c.expect('$')
	if err != nil || n < 0 {
		return "", err
	}
	if n > maxLine {
		return "", errors.New("a field of the reply is longer than it can be")
	}
	b, err := c.bulk(make([]byte, n), n)
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
