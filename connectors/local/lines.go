package local

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// readAhead is how many bytes a source of lines asks for at once.
const readAhead = 64 << 10

// errClosed is what a closed reader, source or sink answers.
var errClosed = errors.New("already closed")

// line is one line of an input.
type line struct {
	text []byte // without the newline
	size int    // bytes it took in the input, with the newline
	open bool   // the input ended before a newline came
	cut  bool   // longer than allowed: text is only its beginning
}

// lineScanner splits an input into lines. A line ends with \n alone: a \r
// before it belongs to the line. The last line counts without a newline too.
type lineScanner struct {
	in  *bufio.Reader
	max int
	// ready is the line that peek has found; its text is in the buffer of in,
	// or in long where it did not fit there.
	ready *line
	long  []byte
}

func newLineScanner(in io.Reader, maxLine int) *lineScanner {
	return &lineScanner{in: bufio.NewReaderSize(in, readAhead), max: maxLine}
}

// peek gives the next line, valid until advance. io.EOF: there is none.
func (s *lineScanner) peek() (*line, error) {
	if s.ready != nil {
		return s.ready, nil
	}
	found, err := s.scan()
	if err != nil {
		return nil, err
	}
	if len(found.text) > s.max {
		found.text, found.cut = found.text[:s.max], true
	}
	s.ready = found
	return found, nil
}

// advance goes on to the line after the one that peek gave.
func (s *lineScanner) advance() {
	s.ready = nil
	if cap(s.long) > 4*readAhead {
		s.long = nil
	}
}

func (s *lineScanner) scan() (*line, error) {
	text, err := s.in.ReadSlice('\n')
	size := len(text)
	if errors.Is(err, bufio.ErrBufferFull) {
		s.long = append(s.long[:0], text...)
		for errors.Is(err, bufio.ErrBufferFull) {
			text, err = s.in.ReadSlice('\n')
			size += len(text)
			s.long = append(s.long, text[:min(len(text), max(0, s.max+2-len(s.long)))]...)
		}
		text = s.long
	}
	if err != nil && (!errors.Is(err, io.EOF) || size == 0) {
		return nil, err
	}
	if err == nil {
		return &line{text: bytes.TrimSuffix(text, []byte{'\n'}), size: size}, nil
	}
	return &line{text: text, size: size, open: true}, nil
}

// buffered tells whether a whole line can be had without waiting.
func (s *lineScanner) buffered() bool {
	if s.ready != nil {
		return true
	}
	waiting, _ := s.in.Peek(s.in.Buffered())
	return bytes.IndexByte(waiting, '\n') >= 0
}

// fits tells whether b has room for one more record of that size.
func fits(b *pipeline.Batch, limit pipeline.Limit, size int) bool {
	return len(b.Records) == 0 ||
		len(b.Records) < limit.Records && b.Bytes+size <= limit.Bytes
}

// addLine adds l to b as a record; a line that was cut is refused.
func addLine(b *pipeline.Batch, l *line, maxLine int, at pipeline.Offset, now time.Time) {
	r := b.Add()
	r.Original = b.Arena.Copy(l.text)
	r.Value = pipeline.RawValue(r.Original)
	r.Offset, r.Time = at, now
	b.Read++
	b.Bytes += len(l.text)
	if l.cut {
		r.Fail(&pipeline.Error{
			Class: pipeline.Permanent,
			What:  fmt.Sprintf("the line is longer than %d bytes", maxLine),
			Do:    "raise max_line of the source",
		})
	}
}

// readTime is the time of records that carry none of their own.
func readTime() time.Time { return time.Now().Truncate(time.Millisecond) }

// lineLimit gives the longest line in bytes, where zero means the default.
func lineLimit(size pipeline.Size) int {
	if size <= 0 {
		return 16 << 20
	}
	return int(size)
}

// checkLineLimit finds what is wrong with a max_line.
func checkLineLimit(size pipeline.Size) []pipeline.Problem {
	if size >= 0 && size <= 1<<30 {
		return nil
	}
	return []pipeline.Problem{{Field: "max_line", What: "is out of range", Do: "write a size from 1 to 1 GiB"}}
}
