package engine_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// TestLagIsKept: while the source does not answer, the last answer counts, with
// its time.
func TestLagIsKept(t *testing.T) {
	bubble(t, func(r *rig) {
		var away atomic.Bool
		r.source.lag = func(context.Context) (int64, error) {
			if away.Load() {
				return -1, unreachable("Redis")
			}
			return 7, nil
		}
		r.source.fill("a", 100)
		stop := r.start()
		pause(r.Context(), 5*time.Second)
		away.Store(true)
		answered := time.Now()
		pause(r.Context(), time.Minute)
		if a := r.engine.Stats().Snapshot().Shards["a"]; a.Lag != 7 || a.Measured.After(answered) || answered.Sub(a.Measured) > 2*time.Second {
			r.Errorf("%v after the last answer: %+v", time.Since(answered), a)
		}
		away.Store(false)
		pause(r.Context(), 5*time.Second)
		if a := r.engine.Stats().Snapshot().Shards["a"]; time.Since(a.Measured) > 2*time.Second {
			r.Errorf("it answers again: %+v", a)
		}
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}
