package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// dice makes what happens by chance come again with its seed, as far as the
// scheduler lets it. Many goroutines may throw.
type dice struct {
	mu   sync.Mutex
	rand *rand.Rand
}

// one is true one time in n.
func (d *dice) one(n int) bool { return d.below(n) == 0 }

func (d *dice) below(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.IntN(n)
}

// fails gives an error one time in n, of one kind or another.
func (d *dice) fails(n int, what string) error {
	switch {
	case !d.one(n):
		return nil
	case d.one(2):
		return unreachable(what)
	default:
		return errors.New(what + " failed, and nobody knows why")
	}
}

// eachSeed runs a test with the same seeds each time, and with a new one.
func eachSeed(t *testing.T, test func(r *rig, d *dice)) {
	for _, seed := range []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, rand.Uint64()} {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			bubble(t, func(r *rig) { test(r, &dice{rand: rand.New(rand.NewPCG(seed, 0))}) })
		})
	}
}

// chaos is a transform that takes its time, fails and panics.
func chaos(d *dice) apply {
	return func(ctx context.Context, b *pipeline.Batch) error {
		pause(ctx, time.Duration(d.below(20))*time.Millisecond)
		if d.one(25) {
			panic("SECRET " + string(b.Records[0].Value.Raw()))
		}
		return d.fails(15, "the transform")
	}
}

// memory is an Ordered transform that checks what it is promised.
type memory struct {
	watch *witness
	// strict: no lane fails, so that batches come again after the last one settled.
	strict bool
	before func(ctx context.Context, b *pipeline.Batch) error

	mu     sync.Mutex
	shards map[string]*remembered
}

type remembered struct {
	busy    bool
	next    uint64 // where the next batch begins
	fresh   bool   // was given up: the next batch may begin later
	settled uint64
	applied []uint64 // the ends of batches that are not settled
}

var _ pipeline.Ordered = (*memory)(nil)

func (m *memory) of(shard string) *remembered {
	if m.shards == nil {
		m.shards = map[string]*remembered{}
	}
	if m.shards[shard] == nil {
		m.shards[shard] = &remembered{}
	}
	return m.shards[shard]
}

func (m *memory) Apply(ctx context.Context, b *pipeline.Batch) error {
	m.begins(b)
	done := false
	defer func() { m.ends(b, done) }()
	err := m.before(ctx, b)
	done = err == nil
	return err
}

func (m *memory) begins(b *pipeline.Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.of(b.Shard)
	if s.busy {
		m.watch.sees("shard %s: two batches at once", b.Shard)
	}
	first := b.After.Offset.Minor - uint64(len(b.Records))
	if first != s.next && (m.strict || !s.fresh || first < s.next) {
		m.watch.sees("shard %s: a batch begins at %d, not %d", b.Shard, first, s.next)
	}
	s.busy = true
}

func (m *memory) ends(b *pipeline.Batch, done bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.of(b.Shard)
	s.busy = false
	if done {
		s.next, s.fresh = b.After.Offset.Minor, false
		s.applied = append(s.applied, s.next)
	}
}

func (m *memory) Settled(b *pipeline.Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.of(b.Shard)
	if len(s.applied) == 0 || s.applied[0] != b.After.Offset.Minor {
		m.watch.sees("shard %s: %d is settled, applied are %v", b.Shard, b.After.Offset.Minor, s.applied)
		return
	}
	s.settled, s.applied = s.applied[0], s.applied[1:]
}

func (m *memory) GivenUp(shard string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.of(shard)
	if s.busy {
		m.watch.sees("shard %s: given up in the middle of a batch", shard)
	}
	s.next, s.applied, s.fresh = s.settled, nil, true
}

func TestTransformsThatFailLoseNothing(t *testing.T) {
	eachSeed(t, func(r *rig, d *dice) {
		remembers := &memory{watch: r.watch, strict: true, before: func(ctx context.Context, _ *pipeline.Batch) error {
			pause(ctx, time.Duration(d.below(5))*time.Millisecond)
			return d.fails(20, "the memory")
		}}
		r.cfg.Stages = []engine.Stage{{Name: "first", Transform: chaos(d)}, {Name: "memory", Transform: remembers}, {Name: "last", Transform: chaos(d)}}
		r.chaosRun("a", "b", "c")
		for shard, s := range remembers.shards {
			if len(s.applied) > 0 || int(s.settled) != len(r.source.all(shard)) {
				r.Errorf("the memory of shard %s: settled to %d, %v are left", shard, s.settled, s.applied)
			}
		}
	})
}

// chaosRun moves shards to their end, and checks all that is promised.
func (r *rig) chaosRun(shards ...string) {
	r.Helper()
	r.cfg.At = func(engine.Point) { r.reconciles() }
	for i, shard := range shards {
		r.source.fill(shard, 150+37*i)
		r.source.seal(shard)
	}
	if err := r.run(); err != nil {
		r.Error(err)
	}
	r.complete(shards...)
	n, sum := r.reconciles(), 0
	for _, shard := range shards {
		sum += len(r.source.all(shard))
	}
	if int(n.Written) > sum { // a commit that nobody heard of is not counted
		r.Errorf("counted %+v, of %d records", n, sum)
	}
	if secrets := r.log.with("SECRET"); len(secrets) > 0 {
		r.Errorf("payloads in the log: %s", secrets[0])
	}
}

func TestLanesThatFailLoseAndDoubleNothing(t *testing.T) {
	eachSeed(t, func(r *rig, d *dice) {
		r.sink.open = func(context.Context) error { return d.fails(4, "opening the lane") }
		r.sink.write = func(context.Context, *pipeline.Batch) error { return d.fails(25, "writing") }
		r.sink.commit = func(ctx context.Context, _ *entry) (bool, error) {
			pause(ctx, time.Duration(d.below(40))*time.Millisecond)
			if err := d.fails(6, "committing"); err != nil {
				return d.one(2), err // committed, or not
			}
			return true, nil
		}
		remembers := &memory{watch: r.watch, before: chaos(d)}
		r.cfg.Stages = []engine.Stage{{Name: "memory", Transform: remembers}, {Name: "last", Transform: chaos(d)}}
		r.chaosRun("a", "b")
	})
}

func TestEverythingFailsAtOnce(t *testing.T) {
	eachSeed(t, func(r *rig, d *dice) {
		r.source.list = func(context.Context) error { return d.fails(4, "listing") }
		r.source.open = func(string) error { return d.fails(8, "opening") }
		r.source.wait = func(string) error { return d.fails(10, "waiting") }
		r.source.read = func(string) error { return d.fails(15, "reading") }
		r.source.settle = func(context.Context, string) error { return d.fails(5, "settling") }
		r.sink.commit = func(context.Context, *entry) (bool, error) {
			switch d.below(30) {
			case 0, 1:
				return true, errors.New("committed, and nobody heard of it")
			case 2:
				panic("SECRET")
			default:
				return true, nil
			}
		}
		r.cfg.Stages = []engine.Stage{{Name: "chaos", Transform: chaos(d)}}
		r.chaosRun("a", "b", "c", "d")
	})
}

func TestShardThatHangsDoesNotHoldOthers(t *testing.T) {
	bubble(t, func(r *rig) {
		release := make(chan struct{})
		r.cfg.Stages = []engine.Stage{{Name: "hangs", Transform: apply(func(_ context.Context, b *pipeline.Batch) error {
			if b.Shard == "a" && b.Records[0].Offset.Minor == 1 {
				<-release
			}
			return nil
		})}}
		for _, shard := range []string{"a", "b", "c"} {
			r.source.fill(shard, 500)
		}
		stop := r.start()
		r.until("the others move", func() bool { return len(r.sink.got("b")) == 500 && len(r.sink.got("c")) == 500 })
		if n := len(r.sink.got("a")); n > 0 {
			r.Errorf("%d records overtook the first", n)
		}
		close(release)
		r.until("the first moves", func() bool { return len(r.sink.got("a")) == 500 })
		r.complete("a", "b", "c")
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

func TestShardThatFailsDoesNotHoldOthers(t *testing.T) {
	bubble(t, func(r *rig) {
		var mended atomic.Bool
		r.cfg.Stages = []engine.Stage{{Name: "fails", Transform: apply(func(_ context.Context, b *pipeline.Batch) error {
			if b.Shard == "a" && b.After.Offset.Minor > 50 && !mended.Load() {
				return errors.New("no")
			}
			return nil
		})}}
		r.source.fill("a", 500)
		r.source.fill("b", 5000)
		stop := r.start()
		r.until("the other moves", func() bool { return len(r.sink.got("b")) == 5000 })
		if got := r.sink.got("a"); !slices.Equal(got, r.source.all("a")[:50]) {
			r.Errorf("delivered %v", got)
		}
		mended.Store(true)
		r.until("the first moves", func() bool { return len(r.sink.got("a")) == 500 })
		r.complete("a", "b")
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}
