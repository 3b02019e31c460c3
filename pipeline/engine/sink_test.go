package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// witness notes what must never happen, in source or sink.
type witness struct {
	readers atomic.Int64 // open
	lanes   atomic.Int64 // open

	mu        sync.Mutex
	wrong     []string
	held, max engine.Window     // between Read and Commit
	committed map[string]uint64 // what the sink knows, also where it stores no position
}

func (w *witness) sees(format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, a...))
}

func (w *witness) saw() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.wrong)
}

// holds counts what is between Read and Commit.
func (w *witness) holds(batches, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held.Batches += batches
	w.held.Bytes += bytes
	w.max.Batches, w.max.Bytes = max(w.max.Batches, w.held.Batches), max(w.max.Bytes, w.held.Bytes)
}

// settles checks rule 3: nothing is settled that is not committed.
func (w *witness) settles(shard string, n uint64) {
	w.mu.Lock()
	known := w.committed[shard]
	w.mu.Unlock()
	if n > known {
		w.sees("shard %s: settled %d, committed %d", shard, n, known)
	}
}

// ledger is a sink in memory, true to the contract. It checks each transaction:
// the records of it are exactly those between the old and the new position.
type ledger struct {
	watch   *witness
	forgets bool // it stores no positions

	mu        sync.Mutex
	positions map[string]pipeline.Position // of pipeline test, which the engine's tests run
	others    map[string]map[string]pipeline.Position
	delivered map[string][]string // by shard
	sequence  []string            // as delivered, of all shards
	dead      map[string][]string
	sizes     []int // records of each transaction
	opens     atomic.Int64
	owners    map[string]*entry // by pipeline, and lane where it is not the first

	// The hooks make it fail; nil: it does not.
	open   func(ctx context.Context) error
	check  func(r *pipeline.Record) error
	write  func(ctx context.Context, b *pipeline.Batch) error
	close  func()
	commit func(ctx context.Context, l *entry) (applied bool, err error) // instead of a good commit
}

var _ pipeline.Sink = (*ledger)(nil)

func newLedger(w *witness) *ledger {
	return &ledger{watch: w, owners: map[string]*entry{}, others: map[string]map[string]pipeline.Position{}, positions: map[string]pipeline.Position{}, delivered: map[string][]string{}, dead: map[string][]string{}}
}

func (s *ledger) Open(ctx context.Context, id pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	if s.open != nil {
		if err := s.open(ctx); err != nil {
			return nil, nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opens.Add(1)
	name := id.Pipeline
	if id.Lane > 0 {
		name += "/" + strconv.Itoa(id.Lane)
	}
	maps.DeleteFunc(s.owners, func(_ string, l *entry) bool { return l.pipeline == id.Pipeline && l.instance != id.Instance })
	l := &entry{sink: s, pipeline: id.Pipeline, instance: id.Instance, name: name, closed: make(chan struct{})}
	s.owners[name] = l
	s.watch.lanes.Add(1)
	if s.forgets {
		return l, nil, nil
	}
	return l, maps.Clone(s.stored(id.Pipeline)), nil
}

// stored gives the positions of a pipeline.
func (s *ledger) stored(name string) map[string]pipeline.Position {
	if name == "test" {
		return s.positions
	}
	if s.others[name] == nil {
		s.others[name] = map[string]pipeline.Position{}
	}
	return s.others[name]
}

func (s *ledger) Close() error { return nil }

// got gives what was delivered of a shard, in order.
func (s *ledger) got(shard string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.delivered[shard])
}

// order gives what was delivered of all shards, in order.
func (s *ledger) order() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sequence)
}

func (s *ledger) transactions() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sizes)
}

func (s *ledger) position(shard string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.positions[shard].Offset.Minor)
}

// entry is a lane of the ledger.
type entry struct {
	sink     *ledger
	pipeline string
	instance string
	name     string     // of pipeline and lane
	one      sync.Mutex // held by Write and Commit: they take turns
	once     sync.Once
	closed   chan struct{}
	dead     atomic.Bool // Write or Commit has failed
	held     []*pipeline.Batch
}

// enter notes calls that overlap, and those of a dead lane.
func (l *entry) enter(call string) (leave func(), err error) {
	if !l.one.TryLock() {
		l.sink.watch.sees("Write or Commit beside another")
		l.one.Lock()
	}
	if l.dead.Load() {
		l.sink.watch.sees("%s after an error of the lane", call)
	}
	select {
	case <-l.closed:
		return l.one.Unlock, errors.New("the lane is closed")
	default:
		return l.one.Unlock, nil
	}
}

func (l *entry) Check(r *pipeline.Record) error {
	if l.sink.check == nil {
		return nil
	}
	return l.sink.check(r)
}

func (l *entry) Write(ctx context.Context, b *pipeline.Batch) (err error) {
	leave, err := l.enter("Write")
	defer leave()
	if err == nil && l.sink.write != nil {
		err = l.sink.write(ctx, b)
	}
	if err != nil {
		l.dead.Store(true)
		return err
	}
	l.held = append(l.held, b)
	return nil
}

func (l *entry) Commit(ctx context.Context, positions map[string]pipeline.Position) error {
	leave, err := l.enter("Commit")
	defer leave()
	applied := err == nil
	if err == nil && l.sink.commit != nil {
		applied, err = l.sink.commit(ctx, l)
	}
	if applied {
		if fenced := l.apply(positions); fenced != nil {
			return fenced
		}
	}
	if err != nil {
		l.dead.Store(true)
	}
	return err
}

// apply commits.
func (l *entry) apply(positions map[string]pipeline.Position) error {
	s := l.sink
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owners[l.name] != l {
		return &pipeline.Error{Class: pipeline.Fenced, What: "taken over by another lane"}
	}
	counts, records := map[string]uint64{}, 0
	for _, b := range l.held {
		counts[b.Shard] += wholes(b)
		records += len(b.Records)
		s.watch.holds(-1, -b.Bytes)
		for i := range b.Records {
			r := &b.Records[i]
			switch r.Fate {
			case pipeline.Deliver:
				s.sequence = append(s.sequence, string(r.Value.Raw()))
				s.delivered[b.Shard] = append(s.delivered[b.Shard], string(r.Value.Raw()))
			case pipeline.DeadLettered:
				s.dead[b.Shard] = append(s.dead[b.Shard], string(r.Original)+": "+r.Failure.Stage)
			}
		}
		if positions[b.Shard].Offset.Minor < b.After.Offset.Minor {
			s.watch.sees("shard %s: records up to %v with position %v", b.Shard, b.After.Offset, positions[b.Shard].Offset)
		}
	}
	if len(l.held) > 0 {
		s.sizes = append(s.sizes, records)
	}
	l.held = nil
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	stored := s.stored(l.pipeline)
	for shard, p := range positions {
		old, known := stored[shard]
		if !s.forgets && (known && old.Offset.Minor+counts[shard] != p.Offset.Minor || !known && counts[shard] > 0) {
			s.watch.wrong = append(s.watch.wrong, fmt.Sprintf("shard %s: %d records between %d (known: %v) and %d", shard, counts[shard], old.Offset.Minor, known, p.Offset.Minor))
		}
		stored[shard] = p
		if s.watch.committed == nil {
			s.watch.committed = map[string]uint64{}
		}
		s.watch.committed[shard] = p.Offset.Minor
	}
	return nil
}

func (l *entry) Close(context.Context) error {
	l.once.Do(func() {
		close(l.closed)
		l.sink.watch.lanes.Add(-1)
		if l.sink.close != nil {
			l.sink.close()
		}
	})
	return nil
}

// wholes counts the records of a batch as they came from the source.
func wholes(b *pipeline.Batch) uint64 {
	var n uint64
	for i := range b.Records {
		if b.Records[i].Part <= 1 {
			n++
		}
	}
	return n
}
