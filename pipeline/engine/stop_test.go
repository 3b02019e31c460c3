package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

func TestStopSettlesWhatIsUnderWay(t *testing.T) {
	eachSeed(t, func(r *rig, d *dice) {
		r.cfg.Stages = []engine.Stage{{Name: "slow", Transform: apply(func(ctx context.Context, _ *pipeline.Batch) error {
			pause(ctx, time.Duration(d.below(30))*time.Millisecond)
			return nil
		})}}
		r.source.fill("a", 20_000)
		r.source.fill("b", 20_000)
		stop := r.start()
		pause(r.Context(), time.Duration(d.below(400))*time.Millisecond)
		if err := stop(); err != nil {
			r.Fatal(err)
		}
		for _, shard := range []string{"a", "b"} {
			read, got := r.source.wasRead(shard), len(r.sink.got(shard))
			if read != got || read != r.source.settled(shard) || read == 20_000 {
				r.Errorf("shard %s: read %d, delivered %d, settled %d", shard, read, got, r.source.settled(shard))
			}
		}
		if s := r.engine.State(); s.Name != engine.Stopped || s.Reason != "" {
			r.Errorf("state %+v", s)
		}
		if got := r.log.with("level=WARN"); len(got) > 0 {
			r.Errorf("a stop logs %s", got)
		}
	})
}

// stopTest is something that blocks while the stop comes.
type stopTest struct {
	name  string
	set   func(r *rig)
	takes time.Duration
	want  string // of the error, which is of class Unreachable; empty: none
}

func TestStopWhileSomethingBlocks(t *testing.T) {
	untilClosed := func(_ context.Context, l *entry) (bool, error) {
		<-l.closed
		return false, errors.New("the lane is closed")
	}
	untilEnd := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for _, test := range []stopTest{
		{name: "Wait", set: func(r *rig) { r.source.push("a") }},
		{name: "no shards", set: func(*rig) {}},
		{name: "Commit, until the lane is closed", takes: 20 * time.Second, want: "could not settle what was under way within 20s",
			set: func(r *rig) { r.sink.commit = untilClosed }},
		{name: "Commit, until its context ends", takes: 20 * time.Second, want: "could not settle what was under way within 20s",
			set: func(r *rig) {
				r.sink.commit = func(ctx context.Context, _ *entry) (bool, error) { return false, untilEnd(ctx) }
			}},
		{name: "the commit of where shards start",
			set: func(r *rig) { r.sink.commit = untilClosed; r.sink.positions = nil }},
		{name: "Write, until the lane is closed", takes: 20 * time.Second, want: "could not settle what was under way within 20s",
			set: func(r *rig) {
				r.sink.write = func(ctx context.Context, _ *pipeline.Batch) error {
					_, err := untilClosed(ctx, r.sink.owners["test"])
					return err
				}
			}},
		{name: "a transform", takes: 20 * time.Second, want: "could not settle what was under way within 20s",
			set: func(r *rig) {
				r.cfg.Stages = []engine.Stage{{Name: "hangs", Transform: apply(func(ctx context.Context, _ *pipeline.Batch) error { return untilEnd(ctx) })}}
			}},
		{name: "Settle", takes: 20 * time.Second, want: "could not settle what was under way within 20s",
			set: func(r *rig) { r.source.settle = func(ctx context.Context, _ string) error { return untilEnd(ctx) } }},
		{name: "Sink.Open", set: func(r *rig) { r.sink.open = untilEnd }},
		{name: "a lane that cannot be opened", set: func(r *rig) { r.sink.open = func(context.Context) error { return unreachable("Kafka") } }},
		{name: "a source that cannot be opened", set: func(r *rig) { r.source.list = func(context.Context) error { return unreachable("Redis") } }},
		{name: "a reader that waits for its server", set: func(r *rig) { r.source.wait = func(string) error { return unreachable("Redis") } }},
		{name: "a batch that fails", set: func(r *rig) {
			r.cfg.Stages = []engine.Stage{{Name: "fails", Transform: apply(func(context.Context, *pipeline.Batch) error { return errors.New("no") })}}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				if test.name != "Wait" && test.name != "no shards" {
					r.source.fill("a", 1000)
					r.sink.positions["a"] = at(0)
				}
				test.set(r)
				stop := r.start()
				synctest.Wait()
				began := time.Now()
				err := stop()
				if took := time.Since(began); took != test.takes {
					r.Errorf("took %v, want %v", took, test.takes)
				}
				if test.want == "" {
					if err != nil {
						r.Error(err)
					}
					return
				}
				if err == nil || pipeline.ClassOf(err) != pipeline.Unreachable || !strings.Contains(err.Error(), test.want) {
					r.Errorf("got %v, want %s", err, test.want)
				}
			})
		})
	}
}

func TestStopWhileTheLastCommitFails(t *testing.T) {
	bubble(t, func(r *rig) {
		release := make(chan struct{})
		r.sink.positions["a"] = at(0)
		r.sink.commit = func(context.Context, *entry) (bool, error) {
			<-release
			return false, errors.New("broken pipe")
		}
		r.source.fill("a", 100)
		stop := r.start()
		synctest.Wait()
		go func() { // while it stops
			pause(r.Context(), time.Second)
			close(release)
		}()
		err := stop()
		if pipeline.ClassOf(err) != pipeline.Unreachable || err == nil || !strings.Contains(err.Error(), "was stopped, and what was under way could not be settled: broken pipe") {
			r.Error(err)
		}
	})
}

func TestStopBeforeTheStart(t *testing.T) {
	bubble(t, func(r *rig) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		r.source.fill("a", 100)
		r.engine = engine.New(r.cfg)
		if err := r.engine.Run(ctx); err != nil {
			r.Error(err)
		}
		if n := r.source.wasRead("a"); n > 0 {
			r.Errorf("read %d", n)
		}
	})
}

func TestAnotherInstanceTakesOver(t *testing.T) {
	bubble(t, func(r *rig) {
		r.source.fill("a", 1000)
		first := r.start()
		r.until("the first moves", func() bool { return len(r.sink.got("a")) == 1000 })
		if _, _, err := r.sink.Open(r.Context(), pipeline.LaneID{Pipeline: "test"}); err != nil {
			r.Fatal(err)
		}
		r.watch.lanes.Add(-1) // the rival's is never closed
		r.source.fill("a", 10)
		r.until("it is fenced", func() bool { return r.engine.State().Name == engine.Failed })
		if err := first(); pipeline.ClassOf(err) != pipeline.Fenced {
			r.Error(err)
		}
		if n := len(r.sink.got("a")); n != 1000 {
			r.Errorf("delivered %d records", n)
		}
	})
}

func TestStopWhileItLooksForShards(t *testing.T) {
	bubble(t, func(r *rig) {
		looks := 0
		r.source.list = func(ctx context.Context) error {
			if looks++; looks > 1 {
				<-ctx.Done()
				return errors.New("the connection was given up")
			}
			return nil
		}
		r.source.fill("a", 100)
		stop := r.start()
		pause(r.Context(), 3*time.Second)
		if err := stop(); err != nil {
			r.Error(err)
		}
		if got := r.log.with("level=WARN"); len(got) > 0 {
			r.Errorf("a stop logs %s", got)
		}
	})
}

// TestStopWhileAShardIsOpened: it is closed as well, which the rig checks.
func TestStopWhileAShardIsOpened(t *testing.T) {
	bubble(t, func(r *rig) {
		release := make(chan struct{})
		r.source.open = func(shard string) error {
			if shard == "b" {
				<-release
			}
			return nil
		}
		r.source.fill("a", 100)
		stop := r.start()
		synctest.Wait()
		r.source.fill("b", 100)
		pause(r.Context(), 3*time.Second)
		go func() {
			pause(r.Context(), time.Second)
			close(release)
		}()
		began := time.Now()
		if err := stop(); err != nil {
			r.Error(err)
		}
		if took := time.Since(began); took != time.Second {
			r.Errorf("stopped after %v, in the middle of an opening", took)
		}
		if n := r.source.wasRead("b"); n > 0 {
			r.Errorf("read %d records after the stop", n)
		}
	})
}
