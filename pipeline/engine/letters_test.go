package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// box keeps dead letters in memory.
type box struct {
	mu      sync.Mutex
	letters []pipeline.DeadLetter
	fail    func(n int) error // of the n-th Keep
	keeps   int
	kept    func() // called after each Keep
}

func (b *box) Keep(_ context.Context, letters []pipeline.DeadLetter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keeps++
	if b.fail != nil {
		if err := b.fail(b.keeps); err != nil {
			return err
		}
	}
	for _, l := range letters {
		l.Value = append([]byte(nil), l.Value...) // the bytes are the caller's
		b.letters = append(b.letters, l)
	}
	if b.kept != nil {
		b.kept()
	}
	return nil
}

func (b *box) Close() error { return nil }

// places gives where the letters come from, in the order in which they were kept.
func (b *box) places() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, l := range b.letters {
		all = append(all, fmt.Sprintf("%s %s %s by %s: %s", l.Shard, l.Offset, l.Value, l.Stage, l.Error))
	}
	return all
}

// TestLettersAreKeptBeforeTheCommit, and the sink does not see them.
func TestLettersAreKeptBeforeTheCommit(t *testing.T) {
	bubble(t, func(r *rig) {
		b := &box{}
		r.cfg.DeadLetters = b
		r.cfg.Stages = []engine.Stage{{Name: "transforms[0].filter", Transform: refuses("bad"), OnError: engine.DeadLetter}}
		b.kept = func() {
			if p := r.sink.position("a"); p != 0 {
				r.Errorf("position %d is committed before the letter is kept", p)
			}
		}
		stop := r.start()
		r.source.push("a", "good", "bad 1", "good", "bad 2")
		r.until("all are committed", func() bool { return r.sink.position("a") == 4 })
		if err := stop(); err != nil {
			r.Fatal(err)
		}
		want := []string{"a 0-2 bad 1 by transforms[0].filter: it is bad", "a 0-4 bad 2 by transforms[0].filter: it is bad"}
		if got := b.places(); fmt.Sprint(got) != fmt.Sprint(want) {
			r.Errorf("kept %q", got)
		}
		r.sink.mu.Lock()
		defer r.sink.mu.Unlock()
		if len(r.sink.dead["a"]) != 0 || len(r.sink.delivered["a"]) != 2 {
			r.Errorf("the sink has %q and %q", r.sink.dead["a"], r.sink.delivered["a"])
		}
		if n := r.reconciles(); n.DeadLettered != 2 || n.Written != 2 {
			r.Errorf("counted %+v", n)
		}
	})
}

// TestLettersThatCannotBeKept hold the commit up until they are, and come in order; what
// a commit that failed has kept is there twice.
func TestLettersThatCannotBeKept(t *testing.T) {
	bubble(t, func(r *rig) {
		b := &box{fail: func(n int) error {
			if n <= 3 {
				return &pipeline.Error{Class: pipeline.Unreachable, What: "the place is away"}
			}
			return nil
		}}
		r.cfg.DeadLetters = b
		r.cfg.Stages = []engine.Stage{{Name: "filter", Transform: refuses("bad"), OnError: engine.DeadLetter}}
		failed := false
		r.sink.commit = func(_ context.Context, l *entry) (bool, error) {
			if len(l.held) > 0 && !failed {
				failed = true
				return false, errors.New("the broker is restarted")
			}
			return true, nil
		}
		stop := r.start()
		r.source.push("a", "bad 1", "good", "bad 2")
		r.until("the reason is said", func() bool {
			s := r.engine.State()
			return s.Name == engine.Degraded && s.Reason == "2 dead letters cannot be kept: the place is away"
		})
		if p := r.sink.position("a"); p != 0 {
			r.Errorf("committed up to %d without them", p)
		}
		r.until("all are committed", func() bool { return r.sink.position("a") == 3 })
		if err := stop(); err != nil {
			r.Fatal(err)
		}
		twice := []string{"a 0-1 bad 1 by filter: it is bad", "a 0-3 bad 2 by filter: it is bad"}
		if got := b.places(); fmt.Sprint(got) != fmt.Sprint(append(twice, twice...)) {
			r.Errorf("kept %q", got)
		}
		if n := r.reconciles(); n.DeadLettered != 2 {
			r.Errorf("counted %+v", n)
		}
	})
}

// TestSetAsideCountsAsRefused for give_up_after.
func TestSetAsideCountsAsRefused(t *testing.T) {
	bubble(t, func(r *rig) {
		b := &box{}
		r.cfg.DeadLetters = b
		r.cfg.GiveUp = engine.GiveUp{Failures: 2, Within: time.Minute}
		r.cfg.Stages = []engine.Stage{{Name: "filter", Transform: refuses("bad"), OnError: engine.DeadLetter}}
		stop := r.start()
		r.source.push("a", "good", "bad", "bad")
		r.until("it has given up", func() bool { return r.engine.State().Name == engine.Failed })
		if err := stop(); pipeline.ClassOf(err) != pipeline.Permanent {
			r.Errorf("got %v", err)
		}
		if len(b.places()) != 0 { // it would be there again at each start
			r.Errorf("kept %q", b.places())
		}
	})
}
