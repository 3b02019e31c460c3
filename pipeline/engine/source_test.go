package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// tapes is a source in memory, true to the contract: a shard is a slice of
// records, its position counts them. It watches how the engine uses it.
type tapes struct {
	watch *witness

	mu     sync.Mutex
	shards map[string]*tape
	closed bool

	// The hooks make it fail; nil: it does not.
	list   func(ctx context.Context) error
	open   func(shard string) error
	wait   func(shard string) error
	read   func(shard string) error
	settle func(ctx context.Context, shard string) error
	lag    func(ctx context.Context) (int64, error)
}

// tape is one shard.
type tape struct {
	records []string
	sealed  bool          // ErrEnd follows the last record
	news    chan struct{} // closed when there is more
	read    uint64
	settled uint64
	opens   []pipeline.OpenRequest
	kept    bool // something was settled
	newest  bool // the first start skips what is there
	lives   int  // incarnations that have ended
}

var _ pipeline.Source = (*tapes)(nil)

func newTapes(w *witness) *tapes { return &tapes{watch: w, shards: map[string]*tape{}} }

// push adds records to a shard, which it makes where there is none.
func (s *tapes) push(shard string, values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.shards[shard]
	if t == nil {
		t = &tape{news: make(chan struct{})}
		s.shards[shard] = t
	}
	t.records = append(t.records, values...)
	close(t.news)
	t.news = make(chan struct{})
}

// fill adds n records to a shard, whose values tell where they belong.
func (s *tapes) fill(shard string, n int) {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%s/%d", shard, i)
	}
	s.push(shard, values...)
}

// pop takes the newest n records of a shard away, as another client would.
func (s *tapes) pop(shard string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.shards[shard]
	t.records = t.records[:len(t.records)-n]
}

// restart begins another incarnation of a shard, whose positions go on.
func (s *tapes) restart(shard string) {
	s.mu.Lock()
	s.shards[shard].lives++
	s.mu.Unlock()
	s.push(shard)
}

// seal ends a shard after its last record.
func (s *tapes) seal(shard string) {
	s.push(shard)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards[shard].sealed = true
}

func (s *tapes) all(shard string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.shards[shard].records)
}

// settled and wasRead tell how far a shard is.
func (s *tapes) settled(shard string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.shards[shard].settled)
}

func (s *tapes) wasRead(shard string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.shards[shard].read)
}

func (s *tapes) opens(shard string) []pipeline.OpenRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.shards[shard].opens)
}

func (s *tapes) Shards(ctx context.Context) ([]string, error) {
	if s.list != nil {
		if err := s.list(ctx); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.shards)), nil
}

func (s *tapes) Open(_ context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	s.mu.Lock()
	t := s.shards[req.Shard]
	if t == nil {
		t = &tape{news: make(chan struct{})}
		s.shards[req.Shard] = t
	}
	t.opens = append(t.opens, req)
	s.mu.Unlock()
	if s.open != nil {
		if err := s.open(req.Shard); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	r := &tapeReader{source: s, tape: t, shard: req.Shard, done: make(chan struct{})}
	switch {
	case req.From != nil:
		r.next = req.From.Offset.Minor
		if req.From.Incarnation == t.at(0).Incarnation {
			t.settled = max(t.settled, r.next) // it cleans up what a crash left behind
		}
	case req.KeepsPosition && t.kept:
		r.next = t.settled
	case req.First && t.newest:
		r.next = uint64(len(t.records))
	}
	r.start, r.life = t.at(r.next), t.lives
	s.watch.readers.Add(1)
	return r, nil
}

func (s *tapes) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// at is the position after n records, in this incarnation of the tape.
func (t *tape) at(n uint64) pipeline.Position {
	p := at(n)
	if t.lives > 0 {
		p.Incarnation = fmt.Sprint("tape ", t.lives)
	}
	return p
}

// at is the position after n records of a tape in its first incarnation.
func at(n uint64) pipeline.Position {
	return pipeline.Position{Incarnation: "tape", Offset: pipeline.Offset{Minor: n}}
}

// tapeReader reads one tape.
type tapeReader struct {
	source *tapes
	tape   *tape
	shard  string
	start  pipeline.Position
	one    sync.Mutex // held by Wait, Read and Rewind: they take turns
	close  sync.Once
	done   chan struct{}
	next   uint64
	life   int
}

var errClosed = errors.New("the reader is closed")

func (r *tapeReader) Start() pipeline.Position { return r.start }

// enter gives the error of a hook, and notes calls that overlap.
func (r *tapeReader) enter(hook func(string) error) (leave func(), err error) {
	if !r.one.TryLock() {
		r.source.watch.sees("two of Wait, Read and Rewind at once")
		r.one.Lock()
	}
	if r.isClosed() {
		return r.one.Unlock, errClosed
	}
	if hook != nil {
		defer func() {
			if p := recover(); p != nil {
				r.one.Unlock()
				panic(p)
			}
		}()
		err = hook(r.shard)
	}
	return r.one.Unlock, err
}

func (r *tapeReader) isClosed() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (r *tapeReader) Wait(ctx context.Context) error {
	leave, err := r.enter(r.source.wait)
	defer leave()
	if err != nil {
		return err
	}
	for {
		r.source.mu.Lock()
		there, sealed, news, another := uint64(len(r.tape.records)), r.tape.sealed, r.tape.news, r.tape.lives != r.life
		r.source.mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case r.next < there, another:
			return nil
		case sealed:
			return pipeline.ErrEnd
		}
		select {
		case <-news:
		case <-ctx.Done():
		case <-r.done:
			return errClosed
		}
	}
}

func (r *tapeReader) Read(_ context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	leave, err := r.enter(r.source.read)
	defer leave()
	if err != nil {
		return err
	}
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	for r.next < uint64(len(r.tape.records)) && b.Read < limit.Records {
		value := r.tape.records[r.next]
		if b.Read > 0 && b.Bytes+len(value) > limit.Bytes {
			break
		}
		r.next++
		record := b.Add()
		record.Value = pipeline.RawValue(b.Arena.Copy([]byte(value)))
		record.Offset.Minor = r.next
		record.Time = time.Now()
		if value[0] == '!' {
			record.Fail(errors.New("the source cannot take it"))
		}
		b.Read++
		b.Bytes += len(value)
	}
	b.After, r.life = r.tape.at(r.next), r.tape.lives
	r.tape.read = max(r.tape.read, r.next)
	r.source.watch.holds(1, b.Bytes)
	return nil
}

func (r *tapeReader) Rewind(p pipeline.Position) error {
	leave, err := r.enter(nil)
	defer leave()
	if err != nil {
		return err
	}
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	if p.Offset.Minor < r.tape.settled || p.Offset.Minor > r.next {
		r.source.watch.sees("shard %s: rewound to %d, settled to %d, read to %d", r.shard, p.Offset.Minor, r.tape.settled, r.next)
	}
	r.next = p.Offset.Minor
	return nil
}

func (r *tapeReader) Settle(ctx context.Context, p pipeline.Position) error {
	if r.isClosed() {
		return errClosed
	}
	if r.source.settle != nil {
		if err := r.source.settle(ctx, r.shard); err != nil {
			return err
		}
	}
	r.source.watch.settles(r.shard, p.Offset.Minor)
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	if p.Offset.Minor < r.tape.settled {
		r.source.watch.sees("shard %s: settled %d after %d", r.shard, p.Offset.Minor, r.tape.settled)
	}
	r.tape.settled, r.tape.kept = p.Offset.Minor, true
	return nil
}

func (r *tapeReader) Tail(context.Context) (pipeline.Position, error) {
	if r.isClosed() {
		return pipeline.Position{}, errClosed
	}
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	return r.tape.at(uint64(len(r.tape.records))), nil
}

func (r *tapeReader) Lag(ctx context.Context) (int64, error) {
	var n int64
	var err error
	if r.source.lag != nil {
		n, err = r.source.lag(ctx)
	}
	if r.isClosed() {
		return -1, errClosed
	}
	return n, err
}

func (r *tapeReader) Close() error {
	r.close.Do(func() {
		close(r.done)
		r.source.watch.readers.Add(-1)
	})
	return nil
}
