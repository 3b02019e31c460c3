//go:build e2e && unix

package redis

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// ledger is a sink in memory that is its own only lane.
type ledger struct {
	mu        sync.Mutex
	open      []string
	delivered map[string]int
	positions map[string]pipeline.Position
}

func (l *ledger) Open(context.Context, pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = nil
	return l, maps.Clone(l.positions), nil
}

func (l *ledger) Check(*pipeline.Record) error { return nil }

func (l *ledger) Write(_ context.Context, b *pipeline.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, values(b)...)
	return nil
}

func (l *ledger) Commit(_ context.Context, positions map[string]pipeline.Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, item := range l.open {
		l.delivered[item]++
	}
	l.open = nil
	maps.Copy(l.positions, positions)
	return nil
}

// drained runs an engine over the list, until it is drained.
func (l *listTest) drained(meddle func(engine.Point)) map[string]int {
	l.t.Helper()
	return drained(l.t, l.source(onGapContinues, func(s *ListSettings) { s.Keys = []string{l.key} }), meddle)
}

// drained runs an engine with --until-drained; meddle is called at each step of
// the protocol. It gives what was delivered.
func drained(t *testing.T, source pipeline.Source, meddle func(engine.Point)) map[string]int {
	t.Helper()
	sink := &ledger{delivered: map[string]int{}, positions: map[string]pipeline.Position{}}
	e := engine.New(engine.Config{
		Name: "drain", Instance: "test", Source: source, Sink: sinkOf{sink},
		Batch: pipeline.Limit{Records: 50, Bytes: 1 << 20}, Window: engine.Window{Batches: 8, Bytes: 8 << 20},
		CommitEvery: 5 * time.Millisecond, CommitRecords: 1000, UntilDrained: true, Shutdown: 5 * time.Second, Log: quiet, At: meddle,
	})
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	must(t, e.Run(ctx))
	if ctx.Err() != nil {
		t.Fatalf("it does not end; %d items were delivered, state %+v", len(sink.delivered), e.State())
	}
	return sink.delivered
}

// sinkOf is a sink with one lane.
type sinkOf struct{ *ledger }

func (sinkOf) Close() error { return nil }

func (l *ledger) Close(context.Context) error { return nil }

// TestDrainWhileOthersPop: whatever another client takes, and whenever, a drain
// ends, and not before everything else was delivered.
func TestDrainWhileOthersPop(t *testing.T) {
	const items = 5000
	for name, seldom := range map[string]int{"now and then": 20, "all the time": 2} {
		t.Run(name, func(t *testing.T) {
			eachPush(t, func(t *testing.T, l *listTest) {
				l.push(numbers(0, items)...)
				popped := map[string]int{}
				var mu sync.Mutex
				delivered := l.drained(func(engine.Point) {
					mu.Lock()
					defer mu.Unlock()
					if rand.IntN(seldom) > 0 {
						return
					}
					pop := l.redis.LPopCount
					if l.by == "lpush" {
						pop = l.redis.RPopCount
					}
					got, _ := pop(t.Context(), l.key, 1+rand.IntN(200)).Result() // nil: it is empty
					for _, item := range got {
						popped[item]++
					}
				})
				mu.Lock()
				defer mu.Unlock()
				if n := l.length(); n > 0 {
					t.Errorf("%d items are left in the list", n)
				}
				for _, item := range numbers(0, items) {
					if delivered[item] == 0 && popped[item] == 0 {
						t.Fatalf("%s was neither delivered nor popped", item)
					}
				}
				t.Logf("%d were delivered, %d popped", len(delivered), len(popped))
			})
		})
	}
}

// TestDrainOfAListThatIsTaken: the list is deleted as soon as the drain begins, or
// in the middle of it.
func TestDrainOfAListThatIsTaken(t *testing.T) {
	for _, point := range []engine.Point{engine.Opened, engine.Read, engine.Written, engine.Committed, engine.Settled} {
		t.Run(string(point), func(t *testing.T) {
			eachPush(t, func(t *testing.T, l *listTest) {
				l.push(numbers(0, 500)...)
				var once sync.Once
				taken := false
				l.drained(func(p engine.Point) {
					if p == point {
						once.Do(func() { taken = true; must(t, l.redis.Del(t.Context(), l.key).Err()) })
					}
				})
				if !taken || l.length() > 0 {
					t.Errorf("taken: %v; %d items are left", taken, l.length())
				}
			})
		})
	}
}

// TestDrainOfAStreamThatIsTaken: the same for streams. What is put in its place
// is delivered, where the drain goes on as long as that.
func TestDrainOfAStreamThatIsTaken(t *testing.T) {
	for _, point := range []engine.Point{engine.Opened, engine.Read, engine.Written, engine.Committed, engine.Settled} {
		for name, refill := range map[string]int{"and stays away": 0, "and made again": 100} {
			t.Run(string(point)+" "+name, func(t *testing.T) {
				eachStream(t, func(t *testing.T, s *streamTest) {
					s.add(1, numbers(0, 500)...)
					var once sync.Once
					taken := false
					source := s.source(streamContinues, trims, func(s2 *StreamSettings) { s2.Keys = []string{s.key} })
					delivered := drained(t, source, func(p engine.Point) {
						if p == point {
							once.Do(func() {
								taken = true
								s.do("DEL", s.key)
								s.add(1, numbers(1000, 1000+refill)...)
							})
						}
					})
					if !taken {
						t.Error("it was not taken")
					}
					if n := len(delivered); n > 500+refill || point == engine.Opened && n != refill {
						t.Errorf("%d items were delivered", n)
					}
				})
			})
		}
	}
}
