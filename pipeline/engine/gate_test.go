package engine_test

import (
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/engine"
)

// TestPauseAndResume: what was read is settled, nothing more is read, the lane stays the
// same one; and when it goes on, nothing is lost.
func TestPauseAndResume(t *testing.T) {
	more := []string{"a/100", "a/101", "a/102"}
	bubble(t, func(r *rig) {
		e := engine.New(r.cfg)
		r.engine = e
		e.Pause() // before the run: it starts paused
		r.source.fill("a", 100)
		stop := r.begin()
		r.until("it is paused", func() bool { return e.State().Name == engine.Paused })
		pause(r.Context(), time.Minute)
		if n := e.Stats().Snapshot().Counts.Read; n != 0 {
			r.Errorf("%d records were read", n)
		}
		e.Resume()
		e.Resume()
		r.until("all is written", func() bool { return e.Stats().Snapshot().Counts.Written == 100 })
		if state := e.State(); state.Name != engine.Running {
			r.Errorf("it is %+v", state)
		}
		e.Pause()
		since := time.Now()
		e.Pause()
		r.source.push("a", more...) // it waits for them already
		pause(r.Context(), time.Minute)
		if state, n := e.State(), e.Stats().Snapshot().Counts.Written; state.Name != engine.Paused || !state.Since.Equal(since) || n != 100 {
			r.Errorf("it is %+v, and has written %d", state, n)
		}
		e.Resume()
		r.until("the rest is written", func() bool { return e.Stats().Snapshot().Counts.Written == 103 })
		e.Pause()
		if err := stop(); err != nil {
			r.Error(err)
		}
		if state := e.State(); state.Name != engine.Stopped {
			r.Errorf("it is %+v", state)
		}
		r.complete("a")
	})
}
