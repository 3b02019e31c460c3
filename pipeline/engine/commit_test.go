package engine_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// busy keeps something under way, so that no transaction is the last: a batch
// of shard z that waits for the test to end.
func (r *rig) busy() {
	r.source.fill("z", 1)
	r.cfg.Stages = []engine.Stage{{Name: "waits", Transform: apply(func(ctx context.Context, b *pipeline.Batch) error {
		if b.Shard == "z" {
			<-ctx.Done()
		}
		return nil
	})}}
	r.cfg.Shutdown = time.Millisecond
}

func TestCommitTiming(t *testing.T) {
	for _, test := range []struct {
		name    string
		set     func(r *rig)
		records int
		left    int           // records that may wait for others
		after   time.Duration // the others are committed
		sizes   []int
	}{
		{"idle: at once", func(*rig) {}, 5, 0, 0, []int{5}},
		{"busy: by age", func(r *rig) { r.busy() }, 15, 0, 50 * time.Millisecond, []int{15}},
		{"busy: by age, another", func(r *rig) { r.busy(); r.cfg.CommitEvery = time.Second }, 15, 0, time.Second, []int{15}},
		{"busy: by records", func(r *rig) { r.busy(); r.cfg.CommitEvery, r.cfg.CommitRecords = time.Hour, 20 }, 40, 19, 0, nil},
		{"half a window of batches", func(r *rig) { r.busy(); r.cfg.CommitEvery = time.Hour }, 160, 0, 0, nil},
		{"the window is full of bytes", func(r *rig) {
			r.cfg.CommitEvery, r.cfg.Window, r.cfg.Batch.Bytes = time.Hour, engine.Window{Batches: 1000, Bytes: 100}, 40
		}, 400, 0, 0, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.source.push("a")
				test.set(r)
				stop := r.start()
				synctest.Wait()
				r.source.fill("a", test.records)
				synctest.Wait()
				if test.after > 0 {
					pause(r.Context(), test.after-time.Microsecond)
					synctest.Wait()
					if n := len(r.sink.got("a")); n > 0 {
						r.Errorf("%d records were committed early", n)
					}
					pause(r.Context(), time.Microsecond)
					synctest.Wait()
				}
				if n := test.records - len(r.sink.got("a")); n > test.left {
					r.Errorf("%d records wait for a commit", n)
				}
				if got := r.sink.transactions(); test.sizes != nil && !slices.Equal(got, test.sizes) {
					r.Errorf("transactions of %v records, want %v", got, test.sizes)
				}
				stop() //nolint:errcheck // what is busy cannot be settled
			})
		})
	}
}

// TestCommitsBehindASlowOne: reading goes on while a commit is under way, and
// what has gathered meanwhile is one transaction.
func TestCommitsBehindASlowOne(t *testing.T) {
	bubble(t, func(r *rig) {
		r.sink.commit = func(ctx context.Context, _ *entry) (bool, error) {
			pause(ctx, 30*time.Millisecond)
			return true, nil
		}
		r.sink.positions["a"] = at(0)
		r.source.push("a")
		stop := r.start()
		for range 10 { // every 10 ms: three come during a commit
			synctest.Wait()
			r.source.push("a", "x")
			pause(r.Context(), 10*time.Millisecond)
		}
		r.until("all moves", func() bool { return len(r.sink.got("a")) == 10 })
		if got := r.sink.transactions(); len(got) > 5 {
			r.Errorf("transactions of %v records", got)
		}
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}

// TestSlowSourceThatFillsTheWindow: the window is found full after the last
// batch was written.
func TestSlowSourceThatFillsTheWindow(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.CommitEvery, r.cfg.Window, r.cfg.Batch.Bytes = time.Hour, engine.Window{Batches: 1000, Bytes: 100}, 40
		r.source.wait = func(string) error {
			pause(r.Context(), 10*time.Millisecond)
			return nil
		}
		r.source.fill("a", 400)
		began := time.Now()
		stop := r.start()
		r.until("all moves", func() bool { return len(r.sink.got("a")) == 400 })
		if took := time.Since(began); took > time.Second {
			r.Errorf("took %v", took)
		}
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}
