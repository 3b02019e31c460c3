package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// held holds batches whose first record is at an offset or behind it.
func held(from uint64, d time.Duration) apply {
	return func(ctx context.Context, b *pipeline.Batch) error {
		if b.Records[0].Offset.Minor < from {
			return nil
		}
		return pipeline.Pause(ctx, d)
	}
}

// TestPause: what is held goes on after a while, in order.
func TestPause(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Stages = []engine.Stage{{Name: "held", Transform: held(51, 10*time.Second)}}
		r.source.fill("a", 100)
		r.source.seal("a")
		began := time.Now()
		if err := r.run(); err != nil {
			r.Error(err)
		}
		if took := time.Since(began); took < 10*time.Second || took > 11*time.Second {
			r.Errorf("it took %v", took)
		}
		r.complete("a")
	})
}

// TestPauseEndsWithTheRun: what is held when the pipeline is stopped comes again; what was
// not is delivered. The stop waits for nobody, and is no failure.
func TestPauseEndsWithTheRun(t *testing.T) {
	for _, where := range []string{"a stage", "a retry"} {
		t.Run(where, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.cfg.Stages = []engine.Stage{{Name: "held", Transform: held(51, time.Hour)}}
				if where == "a retry" {
					refuses := apply(func(_ context.Context, b *pipeline.Batch) error {
						for rec := range b.Live {
							if rec.Offset.Minor > 50 {
								rec.Fail(unreachable("the registry"))
							}
						}
						return nil
					})
					r.cfg.Stages = []engine.Stage{{Name: "refuses", Transform: refuses, OnError: engine.Drop, Retry: engine.Retry{Attempts: 9, Backoff: time.Hour}}}
				}
				r.source.fill("a", 100)
				stop := r.start()
				r.until("some are delivered", func() bool { return len(r.sink.got("a")) == 50 })
				began := time.Now()
				if err := stop(); err != nil {
					r.Error(err)
				}
				if took := time.Since(began); took > time.Second {
					r.Errorf("the stop took %v", took)
				}
				if got := r.sink.got("a"); !slices.Equal(got, r.source.all("a")[:50]) {
					r.Errorf("delivered %d", len(got))
				}
				if said := strings.Join(r.log.with("ERROR"), "\n") + strings.Join(r.log.with("WARN"), "\n"); said != "" {
					r.Errorf("the log says %s", said)
				}
			})
		})
	}
}
