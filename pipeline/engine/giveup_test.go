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

// refuses refuses the records whose value holds a word.
func refuses(word string) apply {
	return func(_ context.Context, b *pipeline.Batch) error {
		for r := range b.Live {
			if strings.Contains(string(r.Value.Raw()), word) {
				r.Fail(errors.New("it is bad"))
			}
		}
		return nil
	}
}

func TestGivesUp(t *testing.T) {
	for _, policy := range []engine.Policy{engine.Drop, engine.DeadLetter} {
		bubble(t, func(r *rig) {
			r.cfg.GiveUp = engine.GiveUp{Failures: 5, Within: time.Minute}
			r.cfg.Stages = []engine.Stage{{Name: "transforms[0].filter", Transform: refuses("bad"), OnError: policy}}
			stop := r.start()
			for range 4 { // four in a minute are suffered, again and again
				r.source.push("a", "good", "bad", "bad", "bad", "bad")
				synctest.Wait()
				pause(r.Context(), time.Minute+r.cfg.CommitEvery) // the minute begins with the commit
			}
			r.until("all are committed", func() bool { return r.sink.position("a") == 20 })
			r.source.push("a", "good", "bad", "bad", "bad", "bad")
			r.until("they are committed", func() bool { return r.sink.position("a") == 25 })
			r.source.push("a", "good", "bad")
			r.until("it has given up", func() bool { return r.engine.State().Name == engine.Failed })
			err := stop()
			if pipeline.ClassOf(err) != pipeline.Permanent {
				r.Errorf("got %v", err)
			}
			for _, word := range []string{"5 records were refused within 1m0s", "shard a", "transforms[0].filter", "it is bad"} {
				if !strings.Contains(err.Error(), word) {
					r.Errorf("%q does not say %q", err, word)
				}
			}
			if p := r.sink.position("a"); p != 25 { // what made it give up is not passed on
				r.Errorf("committed up to %d", p)
			}
		})
	}
}

// What comes again after a failure is counted once.
func TestGivesUpByWhatIsCommitted(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.GiveUp = engine.GiveUp{Failures: 4, Within: time.Hour}
		r.cfg.Stages = []engine.Stage{{Name: "filter", Transform: refuses("bad"), OnError: engine.Drop}}
		var failures atomic.Int64
		r.sink.commit = func(_ context.Context, l *entry) (bool, error) {
			if len(l.held) > 0 && failures.Add(1) < 6 {
				return false, errors.New("the broker is restarted")
			}
			return true, nil
		}
		r.source.push("a", "bad", "good", "bad", "bad")
		r.source.seal("a")
		if err := r.run(); err != nil {
			r.Error(err)
		}
		if n := r.reconciles(); n.Dropped != 3 || n.Written != 1 {
			r.Errorf("counted %+v", n)
		}
	})
}
