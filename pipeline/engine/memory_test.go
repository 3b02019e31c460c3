package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// set changes what the ledger remembers, as somebody else would; nil: nothing.
func (s *ledger) set(shard string, p *pipeline.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.positions, shard)
	if p != nil {
		s.positions[shard] = *p
	}
}

// breaks makes the next commit with records fail, after meanwhile.
func (s *ledger) breaks(applied bool, meanwhile func()) {
	broken := false
	s.commit = func(_ context.Context, l *entry) (bool, error) {
		if broken || len(l.held) == 0 {
			return true, nil
		}
		broken = true
		meanwhile()
		return applied, errors.New("the outcome is unknown")
	}
}

// TestLostPositionsEndTheRun: what the sink had and has no longer is noticed when
// the lane is opened again, before anything is delivered twice.
func TestLostPositionsEndTheRun(t *testing.T) {
	older, other := at(50), pipeline.Position{Incarnation: "another", Offset: pipeline.Offset{Minor: 90}}
	for _, test := range []struct {
		name  string
		now   *pipeline.Position
		wants string // of the error; empty: it goes on
	}{
		{"gone", nil, "the sink no longer holds position 0-100 of shard a, which it held at 2000-01-01T00:00:0"},
		{"older", &older, "it gives the older 0-50"},
		{"another incarnation", &other, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.source.fill("a", 100)
				r.source.fill("b", 10)
				stop := r.start()
				r.until("all is delivered", func() bool { return r.source.settled("a") == 100 && r.source.settled("b") == 10 })
				r.sink.breaks(false, func() { r.sink.set("a", test.now) })
				r.source.fill("b", 10)
				if test.wants == "" {
					r.until("it goes on", func() bool { return len(r.sink.got("a")) == 110 && r.source.settled("b") == 20 })
					if err := stop(); err != nil {
						r.Error(err)
					}
					return
				}
				r.until("it ends", func() bool { return r.engine.State().Name == engine.Failed })
				err := stop()
				if err == nil || pipeline.ClassOf(err) != pipeline.Permanent || !strings.Contains(err.Error(), test.wants) || strings.Contains(err.Error(), "more)") {
					r.Errorf("got %v, want %s", err, test.wants)
				}
				r.complete("a")
			})
		})
	}
}

// TestPositionsThatWereFoundAreRemembered, also of shards that have not moved.
func TestPositionsThatWereFoundAreRemembered(t *testing.T) {
	bubble(t, func(r *rig) {
		for _, shard := range []string{"a", "b", "c"} {
			r.source.fill(shard, 100)
			r.sink.positions[shard] = at(100)
		}
		stop := r.start()
		r.until("it runs", func() bool { return r.engine.State().Name == engine.Running })
		r.sink.breaks(false, func() { r.sink.set("a", nil); r.sink.set("b", nil) })
		r.source.fill("c", 10)
		r.until("it ends", func() bool { return r.engine.State().Name == engine.Failed })
		if err := stop(); err == nil || !strings.Contains(err.Error(), "position 0-100 of shard a") || !strings.Contains(err.Error(), "(and so for 1 more)") {
			r.Error(err)
		}
		if n := len(r.sink.got("a")) + len(r.sink.got("b")); n > 0 {
			r.Errorf("%d records were delivered again", n)
		}
	})
}

// TestUnknownOutcomesAreNoLoss: the position may be higher than the one that is
// remembered, whichever commit it was.
func TestUnknownOutcomesAreNoLoss(t *testing.T) {
	for _, applied := range []bool{true, false} {
		t.Run(fmt.Sprint(applied), func(t *testing.T) {
			bubble(t, func(r *rig) {
				r.source.fill("a", 100)
				r.sink.breaks(applied, func() {})
				stop := r.start()
				r.until("all is delivered", func() bool { return r.source.settled("a") == 100 })
				if err := stop(); err != nil {
					r.Error(err)
				}
				r.complete("a")
			})
		})
	}
}

// backwards is a source that starts again at its beginning, in the same
// incarnation, whatever is committed.
type backwards struct{ *tapes }

func (s backwards) Open(ctx context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	req.From = nil
	return s.tapes.Open(ctx, req)
}

// TestStartsThatGoBackAreNoLoss: where the sink holds what the source asked for,
// nothing is missing, even when the commit of it said that it failed.
func TestStartsThatGoBackAreNoLoss(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Source = backwards{r.source}
		r.sink.positions["a"] = at(100)
		r.source.fill("a", 200)
		failed := false
		r.sink.commit = func(context.Context, *entry) (bool, error) {
			if failed {
				return true, nil
			}
			failed = true
			zero := at(0)
			r.sink.set("a", &zero)
			return false, errors.New("the outcome is unknown")
		}
		stop := r.start()
		r.until("all is delivered", func() bool { return r.source.settled("a") == 200 })
		if err := stop(); err != nil {
			r.Error(err)
		}
		r.complete("a")
	})
}

// TestStartsAreSaid once a process: of many shards, the first 20 by name.
func TestStartsAreSaid(t *testing.T) {
	bubble(t, func(r *rig) {
		for i := range 23 {
			r.source.fill(fmt.Sprintf("s%02d", i), 10)
		}
		r.sink.positions["s00"], r.sink.positions["s22"] = at(10), at(10)
		stop := r.start()
		r.until("all is delivered", func() bool { return r.source.settled("s21") == 10 })
		r.sink.breaks(false, func() {})
		r.source.fill("s05", 10)
		r.until("it is opened again", func() bool { return r.source.settled("s05") == 20 })
		pause(r.Context(), time.Second)
		if err := stop(); err != nil {
			r.Error(err)
		}
		known, fresh, more := r.log.with("shard goes on where it was committed"), r.log.with("no position of it was committed"), r.log.with("more shards are open")
		if len(known) != 1 || !strings.Contains(known[0], "shard=s00 after=0-10") || len(fresh) != 19 || !strings.Contains(fresh[0], "shard=s01 after=0-0") {
			r.Errorf("logged %v, %v", known, fresh)
		}
		if len(more) != 1 || !strings.Contains(more[0], "shards=3 without_position=2") {
			r.Errorf("logged %v", more)
		}
	})
}

// TestStartsAreRemembered: where start: newest has skipped records, the place is a
// position like any other.
func TestStartsAreRemembered(t *testing.T) {
	bubble(t, func(r *rig) {
		r.source.fill("a", 100)
		r.source.shards["a"].newest = true
		r.source.push("b")
		stop := r.start()
		r.until("it runs", func() bool { return r.engine.State().Name == engine.Running })
		r.sink.breaks(false, func() { r.sink.set("a", nil) })
		r.source.fill("b", 10)
		r.until("it ends", func() bool { return r.engine.State().Name == engine.Failed })
		if err := stop(); err == nil || !strings.Contains(err.Error(), "position 0-100 of shard a") {
			r.Error(err)
		}
	})
}
