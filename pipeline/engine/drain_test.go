package engine_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/engine"
)

func TestUntilDrained(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.UntilDrained = true
		r.source.fill("a", 200)
		r.source.fill("b", 10)
		r.source.push("empty")
		r.sink.positions["b"] = at(4)
		r.cfg.At = func(p engine.Point) {
			if p == engine.Opened { // these are not waited for
				r.source.push("b", "late")
			}
		}
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		r.complete("a")
		if a, b := r.source.settled("a"), r.source.settled("b"); a != 200 || b < 10 {
			r.Errorf("settled %d and %d", a, b)
		}
	})
}

func TestUntilDrainedWithNothingToDo(t *testing.T) {
	for name, set := range map[string]func(r *rig){
		"no shards":        func(*rig) {},
		"an empty shard":   func(r *rig) { r.source.push("a") },
		"all is committed": func(r *rig) { r.source.fill("a", 10); r.sink.positions["a"] = at(10) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.UntilDrained = true
				set(r)
				began := time.Now()
				if err := r.run(); err != nil || time.Since(began) != 0 {
					r.Errorf("%v, after %v", err, time.Since(began))
				}
			})
		})
	}
}

func TestUntilDrainedWaitsForTheCleanUp(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.UntilDrained = true
		failures := 5
		r.source.settle = func(context.Context, string) error {
			if failures--; failures >= 0 {
				return unreachable("Redis")
			}
			return nil
		}
		r.source.fill("a", 100)
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		if n := r.source.settled("a"); n != 100 {
			r.Errorf("settled %d", n)
		}
	})
}

// ends lets the engine run until it ends by itself.
func (r *rig) ends() {
	r.Helper()
	stop := r.start()
	defer func() {
		if err := stop(); err != nil {
			r.Error(err)
		}
	}()
	r.until("it ends", func() bool { return r.engine.State().Name == engine.Stopped })
}

// TestUntilDrainedOfFailingSessions: a session that fails does not move the tails,
// or the run would not end while others push.
func TestUntilDrainedOfFailingSessions(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.UntilDrained = true
		r.source.fill("a", 200)
		commits := 0
		r.sink.commit = func(_ context.Context, l *entry) (bool, error) {
			if len(l.held) == 0 {
				return true, nil
			}
			r.source.fill("a", 200) // somebody is faster than this
			if commits++; commits%2 == 0 {
				return false, errors.New("the broker is restarted")
			}
			return true, nil
		}
		r.ends()
		if n := r.source.settled("a"); n < 200 || r.sink.opens.Load() < 3 {
			r.Errorf("settled %d, in %d sessions", n, r.sink.opens.Load())
		}
	})
}

// TestUntilDrainedOnce: a shard that was drained in an earlier session is not
// waited for again, nor one that comes later.
func TestUntilDrainedOnce(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.UntilDrained = true
		r.source.fill("a", 50)
		r.source.fill("b", 50)
		var hung atomic.Bool
		r.source.wait = func(shard string) error {
			if shard == "b" && r.source.settled("a") < 50 {
				return unreachable("its node")
			}
			if shard != "b" && hung.Load() {
				return unreachable("its node")
			}
			return nil
		}
		r.sink.commit = func(_ context.Context, _ *entry) (bool, error) {
			if r.source.settled("a") == 50 && !hung.Swap(true) {
				r.source.fill("a", 50)
				r.source.fill("late", 50)
				return false, errors.New("the broker is restarted")
			}
			return true, nil
		}
		r.ends()
		r.complete("b")
		if n := r.source.settled("b"); n != 50 || !hung.Load() {
			r.Errorf("settled %d", n)
		}
	})
}

// TestUntilDrainedOthersPop: what others have taken is not waited for.
func TestUntilDrainedOthersPop(t *testing.T) {
	for name, take := range map[string]func(r *rig){
		"half of it":                func(r *rig) { r.source.pop("a", 50) },
		"all":                       func(r *rig) { r.source.pop("a", 100) },
		"half, and it starts over":  func(r *rig) { r.source.pop("a", 50); r.source.restart("a") },
		"all, and it starts over":   func(r *rig) { r.source.pop("a", 100); r.source.restart("a") },
		"none, and it starts over":  func(r *rig) { r.source.restart("a") },
		"half, and others come too": func(r *rig) { r.source.pop("a", 50); r.source.fill("a", 20) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.UntilDrained = true
				r.source.fill("a", 100)
				r.cfg.At = func(p engine.Point) {
					if p == engine.Opened {
						take(r)
					}
				}
				r.ends()
				r.complete("a")
			})
		})
	}
}

// TestUntilDrainedStartsOverAtTheEnd: what a new incarnation brings back is waited
// for, also where the old one was at its tail.
func TestUntilDrainedStartsOverAtTheEnd(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.UntilDrained = true
		r.source.fill("a", 100)
		back := false
		r.source.settle = func(_ context.Context, shard string) error {
			if !back && r.sink.position(shard) == 100 {
				back = true
				r.source.fill(shard, 30)
				r.source.restart(shard)
			}
			return nil
		}
		r.ends()
		r.complete("a")
		if n := r.source.settled("a"); n != 130 {
			r.Errorf("settled %d of 130", n)
		}
	})
}
