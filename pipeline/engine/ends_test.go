package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

func TestEndsWithItsShards(t *testing.T) {
	bubble(t, func(r *rig) {
		shards := []string{"a", "b", "c"}
		for _, shard := range shards {
			r.source.fill(shard, 95)
			r.source.seal(shard)
		}
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		r.complete(shards...)
		for _, shard := range shards {
			if n := r.source.settled(shard); n != 95 {
				r.Errorf("shard %s: settled %d", shard, n)
			}
		}
		if n := r.reconciles(); n.Read != 3*95 || n.Written != 3*95 {
			r.Errorf("counted %+v", n)
		}
	})
}

func TestPatience(t *testing.T) {
	away := func(string) error { return unreachable("Redis") }
	for name, set := range map[string]func(r *rig){
		"the sink cannot be opened": func(r *rig) { r.sink.open = func(context.Context) error { return unreachable("Kafka") } },
		"the shards cannot be told": func(r *rig) { r.source.list = func(context.Context) error { return unreachable("Redis") } },
		"a shard cannot be opened":  func(r *rig) { r.source.open = away },
		"a shard cannot be read":    func(r *rig) { r.source.wait = away },
		"a shard cannot be cleaned": func(r *rig) { r.source.settle = func(context.Context, string) error { return unreachable("Redis") } },
		"a shard cannot be read, and others take their time": func(r *rig) {
			r.source.wait = away
			r.source.lag = func(ctx context.Context) (int64, error) { pause(ctx, 20*time.Second); return 0, nil }
			for _, shard := range []string{"b", "c", "d", "e"} {
				r.source.fill(shard, 100)
			}
		},
		"nothing can be committed, though the lane opens": func(r *rig) {
			r.sink.positions["a"] = at(0)
			r.sink.commit = func(ctx context.Context, _ *entry) (bool, error) {
				pause(ctx, 15*time.Second)
				return false, unreachable("Kafka")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.UntilDrained, r.cfg.Patience = true, 30*time.Second
				set(r)
				r.source.fill("a", 100)
				began := time.Now()
				err := r.run()
				if pipeline.ClassOf(err) != pipeline.Unreachable || !strings.Contains(err.Error(), "pipeline test waited 30s (--patience) in vain: ") {
					r.Errorf("got %v", err)
				}
				if took := time.Since(began); took < 30*time.Second || took > 50*time.Second {
					r.Errorf("took %v", took)
				}
			})
		})
	}
}

func TestWithoutPatienceItWaitsForEver(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.UntilDrained = true
		back := time.Now().Add(48 * time.Hour)
		r.sink.open = func(context.Context) error {
			if time.Now().Before(back) {
				return unreachable("Kafka")
			}
			return nil
		}
		r.source.fill("a", 100)
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		r.complete("a")
	})
}

func TestShardsFoundLater(t *testing.T) {
	bubble(t, func(r *rig) {
		stop := r.start()
		synctest.Wait()
		if s := r.engine.State(); s.Name != engine.Running {
			r.Errorf("without shards: %+v", s)
		}
		r.source.fill("a", 100)
		pause(r.Context(), 3*time.Second)
		synctest.Wait()
		r.complete("a")
		r.source.fill("b", 100)
		r.until("the second moves", func() bool { return len(r.sink.got("b")) == 100 })
		if first := r.source.opens("a")[0]; first.First || first.From != nil {
			r.Errorf("opened with %+v: only the first start is the first", first)
		}
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

func TestShardFoundLaterThatCannotBeOpened(t *testing.T) {
	bubble(t, func(r *rig) {
		var mended atomic.Bool
		r.source.open = func(shard string) error {
			if shard == "c" && !mended.Load() {
				return unreachable("its node")
			}
			return nil
		}
		r.source.fill("a", 100)
		stop := r.start()
		synctest.Wait()
		for _, shard := range []string{"b", "c", "d"} {
			r.source.fill(shard, 100)
		}
		r.until("the others move", func() bool { return len(r.sink.got("b")) == 100 && len(r.sink.got("d")) == 100 })
		r.until("it is said", func() bool { return r.engine.State().Reason == "shard c: its node does not answer" })
		pause(r.Context(), time.Minute)
		mended.Store(true)
		r.until("it moves", func() bool { return len(r.sink.got("c")) == 100 })
		r.until("all is well", func() bool { return r.engine.State().Name == engine.Running })
		r.complete("a", "b", "c", "d")
		if got := r.log.with("level=WARN"); len(got) != 1 {
			r.Errorf("said %d times: %v", len(got), got)
		}
		if r.sink.opens.Load() != 1 {
			r.Errorf("the lane was opened %d times", r.sink.opens.Load())
		}
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

func TestShardFoundLaterThatWillNotDo(t *testing.T) {
	bubble(t, func(r *rig) {
		r.source.open = func(shard string) error {
			if shard == "b" {
				return &pipeline.Error{Class: pipeline.Gap, What: "b does not continue"}
			}
			return nil
		}
		r.source.fill("a", 100)
		stop := r.start()
		synctest.Wait()
		r.source.fill("b", 100)
		r.until("it ends", func() bool { return r.engine.State().Name == engine.Failed })
		if err := stop(); pipeline.ClassOf(err) != pipeline.Gap {
			r.Error(err)
		}
		r.complete("a")
	})
}

func TestStartsAreCommittedBeforeAnythingIsRead(t *testing.T) {
	bubble(t, func(r *rig) {
		r.source.read = func(shard string) error {
			r.sink.mu.Lock()
			defer r.sink.mu.Unlock()
			if _, known := r.sink.positions[shard]; !known {
				r.Errorf("shard %s is read, and its position is not committed", shard)
			}
			return nil
		}
		r.source.fill("a", 100)
		r.source.shards["a"].newest = true
		r.source.fill("b", 100)
		stop := r.start()
		synctest.Wait()
		r.source.fill("c", 100)
		r.until("all move", func() bool { return len(r.sink.got("b")) == 100 && len(r.sink.got("c")) == 100 })
		if r.sink.position("a") != 100 || len(r.sink.got("a")) > 0 {
			r.Errorf("shard a starts at %d of 100", r.sink.position("a"))
		}
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

func TestFirstStartIsTheFirstUntilAllIsOpen(t *testing.T) {
	bubble(t, func(r *rig) {
		failures := 3
		r.source.open = func(shard string) error {
			if shard == "b" {
				if failures--; failures >= 0 {
					return unreachable("its node")
				}
			}
			return nil
		}
		for _, shard := range []string{"a", "b"} {
			r.source.fill(shard, 100)
			r.source.shards[shard].newest = true
		}
		stop := r.start()
		r.until("it is open", func() bool { return r.engine.State().Name == engine.Running })
		if a, b := r.sink.position("a"), r.sink.position("b"); a != 100 || b != 100 {
			r.Errorf("started at %d and %d, want the newest", a, b)
		}
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

func TestSourceKeepsPositions(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.SourceKeepsPosition, r.sink.forgets = true, true
		failures := 3
		r.sink.commit = func(_ context.Context, l *entry) (bool, error) {
			if len(l.held) > 0 {
				if failures--; failures >= 0 {
					return false, errors.New("disk full")
				}
			}
			return true, nil
		}
		r.source.fill("a", 50)
		r.source.shards["a"].newest = true
		stop := r.start()
		r.until("it has settled where it starts", func() bool { return r.source.settled("a") == 50 })
		r.source.fill("a", 30)
		r.until("the rest moves", func() bool { return r.source.settled("a") == 80 })
		if got := r.sink.got("a"); len(got) != 30 || r.sink.opens.Load() != 4 {
			r.Errorf("delivered %d records, with %d lanes", len(got), r.sink.opens.Load())
		}
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

// TestRecordsGoWithTheirPositions: what a transaction holds when a shard is found
// is committed with its own position, not with the start of the new shard.
func TestRecordsGoWithTheirPositions(t *testing.T) {
	bubble(t, func(r *rig) {
		r.busy()
		r.cfg.CommitEvery = time.Hour
		r.source.push("a")
		stop := r.start()
		synctest.Wait()
		r.source.fill("a", 15)
		r.source.fill("b", 5)
		r.until("the new shard has its start", func() bool { return len(r.source.opens("b")) == 1 })
		synctest.Wait()
		r.complete("a")
		stop() //nolint:errcheck // what is busy cannot be settled
	})
}

func TestNewestCountsOnlyAtTheFirstStart(t *testing.T) {
	bubble(t, func(r *rig) {
		r.sink.positions["a"] = at(3)
		r.source.fill("a", 10)
		r.source.fill("b", 10)
		r.source.shards["a"].newest, r.source.shards["b"].newest = true, true
		r.source.seal("a")
		r.source.seal("b")
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		if a, b := len(r.sink.got("a")), len(r.sink.got("b")); a != 7 || b != 10 {
			r.Errorf("delivered %d and %d records", a, b)
		}
	})
}
