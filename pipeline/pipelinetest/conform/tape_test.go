package conform

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

var errClosed = errors.New("it is closed")

// tape is a source in memory that keeps the rules, but for its flaw.
type tape struct {
	flaw    string
	release <-chan struct{} // ends what a flaw keeps blocked

	mu      sync.Mutex
	values  []string
	removed int // from the head, so far
	kept    int // the position that it keeps itself
	closed  bool
	closes  int
}

func (s *tape) Shards(context.Context) ([]string, error) { return []string{"tape"}, nil }

func (s *tape) Open(_ context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && s.flaw != "opens when it is closed" {
		return nil, errClosed
	}
	r := &tapeReader{tape: s, gone: make(chan struct{})}
	switch {
	case req.From != nil && s.flaw != "ignores the position":
		r.start = *req.From
	case req.KeepsPosition && s.flaw != "forgets its own position":
		r.start = tapePosition(s.kept)
	}
	r.next = max(int(r.start.Offset.Minor), s.removed) //nolint:gosec // small
	return r, nil
}

func (s *tape) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.closes++; s.closes > 1 && s.flaw == "closes once" {
		return errClosed
	}
	return nil
}

type tapeReader struct {
	tape  *tape
	start pipeline.Position
	gone  chan struct{}
	once  sync.Once
	next  int // guarded by the tape's mutex
}

func tapePosition(n int) pipeline.Position {
	return pipeline.Position{Incarnation: "tape", Offset: pipeline.Offset{Minor: uint64(n)}} //nolint:gosec // small
}

func (r *tapeReader) Start() pipeline.Position { return r.start }

func (r *tapeReader) err() error {
	select {
	case <-r.gone:
		if r.tape.flaw != "goes on after Close" {
			return errClosed
		}
	default:
	}
	return nil
}

func (r *tapeReader) Wait(ctx context.Context) error {
	if err := errors.Join(r.err(), ctx.Err()); err != nil {
		return err
	}
	r.tape.mu.Lock()
	more := r.next < len(r.tape.values)
	r.tape.mu.Unlock()
	if more {
		return nil
	}
	gone, done := r.gone, ctx.Done()
	switch r.tape.flaw {
	case "does not notice Close":
		gone = nil
	case "does not notice a context":
		done = nil
	}
	select {
	case <-gone:
		return errClosed
	case <-done:
		return ctx.Err()
	case <-r.tape.release:
		return errClosed
	}
}

func (r *tapeReader) Read(_ context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	if err := r.err(); err != nil {
		return err
	}
	s := r.tape
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; r.next < len(s.values); r.next++ {
		v := s.values[r.next]
		if full := b.Read >= limit.Records || b.Bytes+len(v) > limit.Bytes; b.Read > 0 && full && s.flaw != "ignores the limit" {
			break
		}
		rec := b.Add()
		rec.Value, rec.Time = pipeline.RawValue([]byte(v)), time.Now()
		rec.Offset = tapePosition(r.next + 1).Offset
		b.Read, b.Bytes = b.Read+1, b.Bytes+len(v)
	}
	b.After = tapePosition(r.next)
	switch {
	case s.flaw == "turns records round":
		slices.Reverse(b.Records)
	case s.flaw == "says too much" && b.Read > 1:
		b.After = tapePosition(r.next + 1)
	case s.flaw == "removes what is read":
		s.removed = r.next
	}
	return nil
}

func (r *tapeReader) Rewind(p pipeline.Position) error {
	r.tape.mu.Lock()
	defer r.tape.mu.Unlock()
	if r.tape.flaw == "leaves a goroutine" {
		go func() { <-r.tape.release }()
	}
	if r.tape.flaw != "does not rewind" {
		r.next = int(p.Offset.Minor) //nolint:gosec // small
	}
	return r.err()
}

func (r *tapeReader) Settle(_ context.Context, p pipeline.Position) error {
	r.tape.mu.Lock()
	defer r.tape.mu.Unlock()
	r.tape.kept = int(p.Offset.Minor) //nolint:gosec // small
	if r.tape.flaw == "removes more than is settled" && r.tape.kept < len(r.tape.values) {
		r.tape.values = slices.Delete(slices.Clone(r.tape.values), r.tape.kept, r.tape.kept+1)
	}
	return r.err()
}

func (r *tapeReader) Tail(context.Context) (pipeline.Position, error) {
	r.tape.mu.Lock()
	defer r.tape.mu.Unlock()
	if r.tape.flaw == "knows no tail" {
		return tapePosition(r.next + 1), r.err()
	}
	return tapePosition(len(r.tape.values)), r.err()
}

func (r *tapeReader) Lag(context.Context) (int64, error) {
	r.tape.mu.Lock()
	defer r.tape.mu.Unlock()
	if r.tape.flaw == "is always behind" {
		return 1, r.err()
	}
	return int64(len(r.tape.values) - r.next), r.err()
}

func (r *tapeReader) Close() error {
	r.once.Do(func() { close(r.gone) })
	return nil
}
