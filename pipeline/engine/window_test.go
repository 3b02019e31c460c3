package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

func TestWindowBoundsWhatIsUnderWay(t *testing.T) {
	eachSeed(t, func(r *rig, d *dice) {
		r.cfg.Window = engine.Window{Batches: 2 + d.below(8), Bytes: 1500 + d.below(3000)}
		r.cfg.Batch = pipeline.Limit{Records: 1 + d.below(20), Bytes: 100 + d.below(1400)}
		r.cfg.Stages = []engine.Stage{{Name: "slow", Transform: apply(func(ctx context.Context, _ *pipeline.Batch) error {
			pause(ctx, time.Duration(d.below(10))*time.Millisecond)
			return nil
		})}}
		r.sink.commit = func(ctx context.Context, _ *entry) (bool, error) {
			pause(ctx, time.Duration(d.below(30))*time.Millisecond)
			return true, nil
		}
		shards := []string{"a", "b", "c", "d"}
		for _, shard := range shards {
			for i := range 200 {
				r.source.push(shard, fmt.Sprintf("%d %s", i, strings.Repeat("x", d.below(90))))
			}
			r.source.seal(shard)
		}
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		r.complete(shards...)
		if got, may := r.watch.max, r.cfg.Window; got.Batches > may.Batches || got.Bytes > may.Bytes || got.Batches < 2 {
			r.Errorf("held %+v at once, may hold %+v", got, may)
		}
	})
}

func TestRecordLargerThanTheWindowPasses(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Window = engine.Window{Batches: 8, Bytes: 500}
		r.cfg.Batch.Bytes = 400
		r.source.fill("a", 30)
		r.source.push("a", strings.Repeat("x", 5000))
		r.source.fill("a", 30)
		r.source.fill("b", 200)
		r.source.seal("a")
		r.source.seal("b")
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		r.complete("a", "b")
	})
}

func TestIdleShardsHoldNothing(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Window.Batches = 2
		for i := range 100 {
			r.source.push(fmt.Sprintf("idle%d", i))
		}
		r.source.fill("busy", 1000)
		stop := r.start()
		r.until("the busy one moves", func() bool { return len(r.sink.got("busy")) == 1000 })
		r.complete("busy")
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

func TestFullWindowStopsReading(t *testing.T) {
	bubble(t, func(r *rig) {
		release := make(chan struct{})
		r.sink.positions["a"] = at(0)
		r.sink.commit = func(context.Context, *entry) (bool, error) {
			<-release
			return true, nil
		}
		r.source.fill("a", 1000)
		stop := r.start()
		synctest.Wait()
		if n := r.source.wasRead("a"); n != 80 {
			r.Errorf("read %d records, the window takes 8 batches of 10", n)
		}
		close(release)
		r.until("all moves", func() bool { return len(r.sink.got("a")) == 1000 })
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

// TestWhatTransformsMakeCountsToo: the window is 10,000 bytes; ten records become
// 4,000, so that reading stops at three batches.
func TestWhatTransformsMakeCountsToo(t *testing.T) {
	bubble(t, func(r *rig) {
		release := make(chan struct{})
		r.sink.positions["a"] = at(0)
		r.sink.commit = func(context.Context, *entry) (bool, error) {
			<-release
			return true, nil
		}
		r.cfg.Window.Batches = 64
		r.cfg.Stages = []engine.Stage{{Name: "inflates", Transform: apply(func(_ context.Context, b *pipeline.Batch) error {
			for rec := range b.Live {
				rec.Key = append(b.Arena.Alloc(400), make([]byte, 400)...)
			}
			return nil
		})}}
		r.source.push("a")
		stop := r.start()
		for range 20 { // one after the other: what is read has been transformed
			r.source.fill("a", 10)
			synctest.Wait()
		}
		if n := r.source.wasRead("a"); n != 30 {
			r.Errorf("read %d records, the window takes 3 batches of 10", n)
		}
		close(release)
		r.until("all moves", func() bool { return len(r.sink.got("a")) == 200 })
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}
