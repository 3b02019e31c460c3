package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// troubleTest is something that fails for 75 s, and the beginning of what is
// said about it.
type troubleTest struct {
	name   string
	set    func(r *rig, fails func() error)
	reason string
}

// said is how often it is logged: the words of some change with every try.
func (test troubleTest) said() int {
	if strings.HasSuffix(test.reason, "try ") {
		return 3
	}
	return 1
}

// TestTroubles: each is a state with its reason, is logged when it begins and
// when it ends, and between every half a minute, when its words change.
func TestTroubles(t *testing.T) {
	for _, test := range []troubleTest{
		{"opening the lane", func(r *rig, fails func() error) { r.sink.open = func(context.Context) error { return fails() } }, "try "},
		{"naming shards", func(r *rig, fails func() error) { r.source.list = func(context.Context) error { return fails() } }, "try "},
		{"opening a shard", func(r *rig, fails func() error) { r.source.open = func(string) error { return fails() } }, "shard a: try "},
		{"waiting", func(r *rig, fails func() error) { r.source.wait = func(string) error { return fails() } }, "try "},
		{"reading", func(r *rig, fails func() error) { r.source.read = func(string) error { return fails() } }, "try "},
		{"settling", func(r *rig, fails func() error) {
			r.source.settle = func(context.Context, string) error { return fails() }
		}, "try "},
		{"writing", func(r *rig, fails func() error) {
			r.sink.write = func(context.Context, *pipeline.Batch) error { return fails() }
		}, "shard a: try "},
		{"committing", func(r *rig, fails func() error) {
			r.sink.positions["a"] = at(0)
			r.sink.commit = func(context.Context, *entry) (bool, error) { err := fails(); return err == nil, err }
		}, "try "},
		{"a transform", func(r *rig, fails func() error) {
			r.cfg.Stages = []engine.Stage{{Name: "transforms[0].x", Transform: apply(func(context.Context, *pipeline.Batch) error { return fails() })}}
		}, "transforms[0].x, shard a: try "},
		{"a panic", func(r *rig, fails func() error) {
			r.cfg.Stages = []engine.Stage{{Name: "transforms[0].x", Transform: apply(func(context.Context, *pipeline.Batch) error {
				if err := fails(); err != nil {
					panic(err)
				}
				return nil
			})}}
		}, "a transform, on shard a panicked (*errors.errorString); the log has the stack; please report it"},
		{"a panic of the sink, opening", func(r *rig, fails func() error) {
			r.sink.open = func(context.Context) error {
				if err := fails(); err != nil {
					panic(err)
				}
				return nil
			}
		}, "the sink panicked (*errors.errorString); the log has the stack; please report it"},
		{"a panic of the source", func(r *rig, fails func() error) {
			r.source.read = func(string) error {
				if err := fails(); err != nil {
					panic(err)
				}
				return nil
			}
		}, "the source, on shard a panicked (*errors.errorString); the log has the stack; please report it"},
		{"a panic of the source, opening", func(r *rig, fails func() error) {
			r.source.open = func(string) error {
				if err := fails(); err != nil {
					panic(err)
				}
				return nil
			}
		}, "shard a: the source panicked (*errors.errorString); the log has the stack; please report it"},
		{"a panic of the source, settling", func(r *rig, fails func() error) {
			r.source.settle = func(context.Context, string) error {
				if err := fails(); err != nil {
					panic(err)
				}
				return nil
			}
		}, "the source, on shard a panicked (*errors.errorString); the log has the stack; please report it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				var mended atomic.Bool
				var tries atomic.Int64
				test.set(r, func() error {
					if mended.Load() {
						return nil
					}
					return errors.New(fmt.Sprint("try ", tries.Add(1)))
				})
				r.source.fill("a", 100)
				if s := engine.New(r.cfg).State(); s.Name != engine.Starting {
					r.Errorf("first of all %+v", s)
				}
				stop := r.start()
				synctest.Wait()
				since := r.engine.State().Since
				pause(r.Context(), 75*time.Second)
				synctest.Wait()
				if s := r.engine.State(); s.Name != engine.Degraded || !strings.HasPrefix(s.Reason, test.reason) || !s.Since.Equal(since) {
					r.Errorf("in trouble: %+v; it began %v", s, since)
				}
				if n := tries.Load(); n < 20 || n > 500 {
					r.Errorf("%d tries", n)
				}
				mended.Store(true)
				r.until("it goes on", func() bool { return r.source.settled("a") == 100 })
				r.until("it is well", func() bool { return r.engine.State().Name == engine.Running && r.engine.State().Reason == "" })
				if began, ended := r.log.with("degraded: "), r.log.with("going on"); len(began) != test.said() || len(ended) != 1 {
					r.Errorf("logged %v, %v", began, ended)
				}
				if err := stop(); err != nil {
					r.Error(err)
				}
				r.complete("a")
			})
		})
	}
}

func TestPanicOfALaneThatCloses(t *testing.T) {
	bubble(t, func(r *rig) {
		r.sink.close = func() { panic("SECRET") }
		r.source.fill("a", 20)
		stop := r.start()
		r.until("all moves", func() bool { return r.source.settled("a") == 20 })
		if err := stop(); err != nil {
			r.Error(err)
		}
		if said := r.log.with("the sink panicked"); len(said) != 1 || len(r.log.with("SECRET")) > 0 {
			r.Errorf("logged %v", said)
		}
	})
}

func TestSlowCommitIsSaid(t *testing.T) {
	bubble(t, func(r *rig) {
		release := make(chan struct{})
		r.sink.positions["a"] = at(0)
		r.sink.commit = func(context.Context, *entry) (bool, error) {
			<-release
			return true, nil
		}
		r.source.fill("a", 10)
		stop := r.start()
		pause(r.Context(), 4900*time.Millisecond)
		if s := r.engine.State(); s.Name != engine.Running {
			r.Errorf("after 4.9 s %+v", s)
		}
		pause(r.Context(), 200*time.Millisecond)
		if s := r.engine.State(); s.Name != engine.Degraded || s.Reason != "the sink has not answered for 5s" {
			r.Errorf("after 5.1 s %+v", s)
		}
		close(release)
		r.until("all is well", func() bool { return r.engine.State().Name == engine.Running })
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

// TestTroubleEndsWithItsSession: what reading failed with is over when shards
// open again, and what a commit failed with when nothing is left to be committed.
func TestTroubleEndsWithItsSession(t *testing.T) {
	bubble(t, func(r *rig) {
		var away atomic.Bool
		away.Store(true)
		r.source.wait = func(shard string) error {
			if shard == "b" && away.Load() {
				return unreachable("Redis")
			}
			return nil
		}
		r.sink.commit = func(_ context.Context, l *entry) (bool, error) {
			if len(l.held) > 0 && r.sink.opens.Load() == 1 {
				return true, errors.New("the outcome is unknown")
			}
			return true, nil
		}
		r.cfg.At = func(p engine.Point) { away.Store(p != engine.Opened || r.sink.opens.Load() == 1) }
		r.source.push("a")
		r.source.push("b")
		stop := r.start()
		r.until("b is in trouble", func() bool { return r.engine.State().Reason == "Redis does not answer" })
		r.source.fill("a", 10)
		r.until("it is opened again", func() bool { return r.sink.opens.Load() == 2 })
		r.until("all is well", func() bool { return r.engine.State().Name == engine.Running })
		r.complete("a")
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

// TestWhatIsLoggedOfTroubles: a reason that changes is said, at most every half a
// minute, and not again where it is the same; how long it lasted is in seconds.
func TestWhatIsLoggedOfTroubles(t *testing.T) {
	bubble(t, func(r *rig) {
		began := time.Now()
		r.cfg.Log = slog.New(slog.NewJSONHandler(r.log, nil))
		r.source.list = func(context.Context) error {
			switch since := time.Since(began); {
			case since < 10*time.Second:
				return unreachable("the first Redis")
			case since < 80*time.Second:
				return unreachable("the second Redis")
			default:
				return nil
			}
		}
		r.source.push("a")
		stop := r.start()
		r.until("it goes on", func() bool { return r.engine.State().Name == engine.Running })
		if err := stop(); err != nil {
			r.Error(err)
		}
		said := r.log.with("degraded: ")
		if len(said) != 2 || !strings.Contains(said[0], "the first Redis") || !strings.Contains(said[1], "the second Redis") {
			r.Fatalf("logged %v", said)
		}
		var second struct{ Time time.Time }
		if err := json.Unmarshal([]byte(said[1]), &second); err != nil || second.Time.Sub(began) < 30*time.Second || second.Time.Sub(began) > 40*time.Second {
			r.Errorf("%v: logged %v after the first", err, second.Time.Sub(began))
		}
		var over struct {
			Seconds float64 `json:"after_seconds"`
		}
		if err := json.Unmarshal([]byte(r.log.with("going on")[0]), &over); err != nil || over.Seconds < 80 || over.Seconds > 90 {
			r.Errorf("%v: it lasted %v seconds", err, over.Seconds)
		}
	})
}
