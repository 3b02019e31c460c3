package local

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// StdinSettings are the settings of the source stdin.
type StdinSettings struct {
	MaxLine pipeline.Size `yaml:"max_line" doc:"Longest line in bytes; a longer one is an error of that record." default:"16 MiB"`
}

// Validate finds values that make no sense.
func (s StdinSettings) Validate() []pipeline.Problem { return checkLineLimit(s.MaxLine) }

// Stdin is a source of lines from an input that gives each byte only once. It
// has one shard, "stdin", whose position is the number of lines read, and one
// incarnation per process: a position that another process committed says
// nothing about this input, which starts at its first line.
//
// Lines that are not settled stay in memory, at most as many as the engine has
// under way, so that a reader can be rewound, or another opened, in the same
// process. When the process ends they are lost, as any pipe loses them.
//
// A wait ends when its context does. The goroutine that reads the input ends
// with Close where the input takes read deadlines (most pipes and terminals
// given as standard input do not); elsewhere it ends with the next bytes, the
// end of the input, or the process.
type Stdin struct {
	in   io.Reader
	max  int
	life string

	chunks chan chunk
	done   context.Context
	close  context.CancelFunc
	pump   sync.Once

	mu    sync.Mutex
	lines []line // not settled
	base  uint64 // lines settled: the number of lines[0], from 0
	ended error  // pipeline.ErrEnd, or why there are no more lines
}

// chunk is what the pump hands over: lines, or the end.
type chunk struct {
	lines []line
	err   error
}

var _ pipeline.Source = (*Stdin)(nil)

// NewStdin returns a source that reads lines from in, usually os.Stdin, once a
// reader waits for them. It does not close in.
func NewStdin(s StdinSettings, in io.Reader) *Stdin {
	src := &Stdin{in: in, max: lineLimit(s.MaxLine), life: "stdin-" + rand.Text(), chunks: make(chan chunk)}
	src.done, src.close = context.WithCancel(context.Background())
	return src
}

// Shards names the one shard.
func (s *Stdin) Shards(context.Context) ([]string, error) { return []string{"stdin"}, nil }

// Open continues after the committed line, or at the first line that is not
// settled. Readers must be opened one after the other. Error: Gap where lines
// after the position were settled, and are forgotten.
func (s *Stdin) Open(_ context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	if s.done.Err() != nil {
		return nil, errClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &stdinReader{source: s, next: s.base}
	if req.From != nil && req.From.Incarnation == s.life {
		if err := s.holds(req.From.Offset.Minor); err != nil {
			return nil, err
		}
		r.next = req.From.Offset.Minor
	}
	r.start = s.position(r.next)
	r.done, r.close = context.WithCancel(s.done)
	return r, nil
}

// Close ends the reading of the input as far as it can (see Stdin).
func (s *Stdin) Close() error {
	s.close()
	if in, ok := s.in.(interface{ SetReadDeadline(time.Time) error }); ok {
		// Refused where the input cannot be interrupted: then it stays as it is.
		_ = in.SetReadDeadline(time.Unix(1, 0))
	}
	return nil
}

func (s *Stdin) position(n uint64) pipeline.Position {
	return pipeline.Position{
		Incarnation: s.life,
		Offset:      pipeline.Offset{Minor: n},
		Evidence:    pipeline.Evidence{Added: n},
	}
}

// holds tells whether the lines after the first n can be read again.
func (s *Stdin) holds(n uint64) error {
	if n >= s.base && n <= s.base+uint64(len(s.lines)) {
		return nil
	}
	return &pipeline.Error{
		Class: pipeline.Gap,
		What:  fmt.Sprintf("stdin: line %d is not in memory, only the %d lines after line %d are", n, len(s.lines), s.base),
		Do:    "start the pipeline with the input from its beginning",
	}
}

// take keeps what the pump handed over.
func (s *Stdin) take(c chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, c.lines...)
	if c.err != nil {
		s.ended = c.err
	}
}

// run reads the input until it ends and hands over the lines, as many at once
// as can be had without waiting. It never reads more than one chunk ahead.
func (s *Stdin) run() {
	scanner := newLineScanner(s.in, s.max)
	for {
		c := readChunk(scanner)
		select {
		case s.chunks <- c:
		case <-s.done.Done():
			return
		}
		if c.err != nil {
			return
		}
	}
}

// readChunk waits for a line and takes those that came with it.
func readChunk(scanner *lineScanner) (c chunk) {
	for size := 0; size < readAhead && (len(c.lines) == 0 || scanner.buffered()); {
		found, err := scanner.peek()
		if errors.Is(err, io.EOF) {
			c.err = pipeline.ErrEnd
			return c
		}
		if err != nil {
			c.err = &pipeline.Error{Class: pipeline.Permanent, What: "stdin cannot be read", Err: err}
			return c
		}
		kept := *found
		kept.text = bytes.Clone(found.text)
		c.lines = append(c.lines, kept)
		size += kept.size
		scanner.advance()
	}
	return c
}

// stdinReader reads the lines that Stdin keeps, and asks it for more.
type stdinReader struct {
	source *Stdin
	start  pipeline.Position
	done   context.Context
	close  context.CancelFunc
	next   uint64 // lines read; guarded by source.mu
}

func (r *stdinReader) Start() pipeline.Position { return r.start }

func (r *stdinReader) Wait(ctx context.Context) error {
	r.source.pump.Do(func() { go r.source.run() })
	for {
		if err := r.err(ctx); err != nil {
			return err
		}
		waiting, ended := r.waiting()
		if waiting > 0 {
			return nil
		}
		if ended != nil {
			return ended
		}
		select {
		case c := <-r.source.chunks:
			r.source.take(c)
		case <-ctx.Done():
		case <-r.done.Done():
		}
	}
}

func (r *stdinReader) err(ctx context.Context) error {
	if r.done.Err() != nil {
		return errClosed
	}
	return ctx.Err()
}

// waiting counts the lines in memory that were not read, and tells whether
// others will follow.
func (r *stdinReader) waiting() (lines int, ended error) {
	s := r.source
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.base + uint64(len(s.lines)) - r.next), s.ended
}

func (r *stdinReader) Read(ctx context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	if err := r.err(ctx); err != nil {
		return err
	}
	now := readTime()
	for r.readKept(b, limit, now) {
		select {
		case c := <-r.source.chunks:
			r.source.take(c)
			continue
		default:
		}
		break
	}
	return nil
}

// readKept adds the lines in memory to b, and tells whether b has room for more.
func (r *stdinReader) readKept(b *pipeline.Batch, limit pipeline.Limit, now time.Time) bool {
	s := r.source
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { b.Shard, b.After = "stdin", s.position(r.next) }()
	for int(r.next-s.base) < len(s.lines) {
		l := &s.lines[r.next-s.base]
		if !fits(b, limit, len(l.text)) {
			return false
		}
		r.next++
		addLine(b, l, s.max, pipeline.Offset{Minor: r.next}, now)
	}
	return fits(b, limit, 1)
}

func (r *stdinReader) Rewind(p pipeline.Position) error {
	if r.done.Err() != nil {
		return errClosed
	}
	s := r.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.holds(p.Offset.Minor); err != nil {
		return err
	}
	r.next = p.Offset.Minor
	return nil
}

// Settle forgets the lines up to p.
func (r *stdinReader) Settle(ctx context.Context, p pipeline.Position) error {
	if err := r.err(ctx); err != nil {
		return err
	}
	s := r.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Offset.Minor <= s.base {
		return nil
	}
	if err := s.holds(p.Offset.Minor); err != nil {
		return err
	}
	n := p.Offset.Minor - s.base
	clear(s.lines[:n])
	s.lines, s.base = s.lines[n:], p.Offset.Minor
	return nil
}

// Tail is the last line. Until the input has ended nobody knows which that is:
// the position is then one that no line reaches, and the shard is drained when
// Wait says pipeline.ErrEnd.
func (r *stdinReader) Tail(ctx context.Context) (pipeline.Position, error) {
	if err := r.err(ctx); err != nil {
		return pipeline.Position{}, err
	}
	s := r.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		return s.position(math.MaxUint64), nil
	}
	return s.position(s.base + uint64(len(s.lines))), nil
}

// Lag cannot be told: nobody knows how much a pipe holds.
func (r *stdinReader) Lag(ctx context.Context) (int64, error) { return -1, r.err(ctx) }

func (r *stdinReader) Close() error {
	r.close()
	return nil
}
