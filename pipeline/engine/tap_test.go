package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// TestTap: what is shown is what became of a record at each stage; nobody looking, nothing
// is taken.
func TestTap(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Stages = []engine.Stage{
			{Name: "louder", Transform: apply(func(_ context.Context, b *pipeline.Batch) error {
				for rec := range b.Live {
					rec.Value = pipeline.RawValue(append(append([]byte(nil), rec.Value.Raw()...), '!'))
				}
				return nil
			})},
			{Name: "refuses", OnError: engine.Drop, Transform: apply(func(_ context.Context, b *pipeline.Batch) error {
				for rec := range b.Live {
					if string(rec.Value.Raw()) == "a/3!" {
						rec.Fail(errors.New("not this one"))
					}
				}
				return nil
			})},
		}
		r.cfg.Batch.Records = 1
		seen := make(chan engine.Tapped, 100)
		r.engine = engine.New(r.cfg)
		ctx, cancel := context.WithCancel(r.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.engine.Tap(ctx, seen) }()
		r.source.push("a", "a/0")
		stop := r.begin()
		for i := 1; i < 5; i++ { // one after the other: a tap rests in between
			r.until("all is read", func() bool { return r.engine.Stats().Snapshot().Counts.Read == uint64(i) })
			pause(r.Context(), 300_000_000)
			r.source.push("a", fmt.Sprint("a/", i))
		}
		r.until("all is read", func() bool { return r.engine.Stats().Snapshot().Counts.Read == 5 })
		cancel()
		<-ended
		r.source.push("a", "a/5")
		r.until("all is read", func() bool { return r.engine.Stats().Snapshot().Counts.Read == 6 })
		if err := stop(); err != nil {
			r.Error(err)
		}
		close(seen)
		n := 0
		for s := range seen {
			came, last := string(s.Value), s.Stages[len(s.Stages)-1]
			ok := came == fmt.Sprint("a/", n) && string(s.Stages[0].Value) == came+"!" && s.Shard == "a"
			if came == "a/3" {
				ok = ok && last.Name == "refuses" && last.Fate == pipeline.Dropped && last.Error == "not this one"
			} else {
				ok = ok && last.Name == "sink" && last.Fate == pipeline.Deliver && string(last.Value) == came+"!"
			}
			if !ok {
				r.Errorf("%+v", s)
			}
			n++
		}
		if n != 5 {
			r.Errorf("%d records are shown", n)
		}
	})
}
