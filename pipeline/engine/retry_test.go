package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// moody refuses each record whose value holds "flaky" so many times, and keeps which
// values it was given.
type moody struct {
	err   error
	times int

	mu    sync.Mutex
	tries map[string]int
	given []string
}

func (m *moody) Apply(_ context.Context, b *pipeline.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range b.Live {
		value := string(r.Value.Raw())
		m.given = append(m.given, value)
		if !strings.Contains(value, "flaky") {
			continue
		}
		if m.tries[value]++; m.tries[value] <= m.times {
			r.Fail(m.err)
		}
	}
	return nil
}

func TestRetry(t *testing.T) {
	away := unreachable("the registry")
	for name, test := range map[string]struct {
		err      error
		times    int // it refuses a record
		want     int // attempts at a flaky record
		refused  bool
		attempts int // as the failure says
		pause    time.Duration
	}{
		"passes at the third attempt":        {away, 2, 3, false, 0, 300 * time.Millisecond},
		"an error without a class may pass":  {errors.New("hm"), 1, 2, false, 0, 100 * time.Millisecond},
		"does not pass":                      {away, 10, 3, true, 3, 300 * time.Millisecond},
		"a permanent one is not tried again": {&pipeline.Error{Class: pipeline.Permanent, What: "no such field"}, 10, 1, true, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				m := &moody{err: test.err, times: test.times, tries: map[string]int{}}
				var failures []pipeline.Failure
				look := apply(func(_ context.Context, b *pipeline.Batch) error {
					for i := range b.Records {
						if f := b.Records[i].Failure; f != nil {
							failures = append(failures, *f)
						}
					}
					return nil
				})
				r.cfg.Stages = []engine.Stage{
					{Name: "moody", Transform: m, OnError: engine.Drop, Retry: engine.Retry{Attempts: 3, Backoff: 100 * time.Millisecond}},
					{Name: "look", Transform: look},
				}
				r.source.push("a", "1", "flaky 2", "3", "flaky 4")
				r.source.seal("a")
				began := time.Now()
				if err := r.run(); err != nil {
					r.Fatal(err)
				}
				want := []string{"1", "flaky 2", "3", "flaky 4"}
				if test.refused {
					want = []string{"1", "3"}
				}
				if got := r.sink.got("a"); !slices.Equal(got, want) {
					r.Errorf("delivered %q, want %q", got, want)
				}
				for value, tries := range m.tries {
					if tries != test.want {
						r.Errorf("%s: tried %d times, want %d", value, tries, test.want)
					}
				}
				if n := len(m.given) - 2*test.want; n != 2 {
					r.Errorf("those that were taken were given again: %q", m.given)
				}
				for _, f := range failures {
					if f.Attempts != test.attempts || f.Stage != "moody" {
						r.Errorf("the failure is %+v", f)
					}
				}
				if took := time.Since(began); took < test.pause || took > test.pause+3*time.Second {
					r.Errorf("it took %v", took)
				}
			})
		})
	}
}

// While one shard is tried again, others move; a stop does not wait for the attempts.
func TestRetryHoldsNobodyElse(t *testing.T) {
	bubble(t, func(r *rig) {
		m := &moody{err: unreachable("the registry"), times: 1000, tries: map[string]int{}}
		r.cfg.Stages = []engine.Stage{{Name: "moody", Transform: m, OnError: engine.Drop, Retry: engine.Retry{Attempts: 1000, Backoff: time.Hour}}}
		r.source.push("a", "1", "flaky 2", "3")
		for i := range 50 {
			r.source.push("b", fmt.Sprint(i))
		}
		stop := r.start()
		r.until("the other shard moves", func() bool { return len(r.sink.got("b")) == 50 })
		synctest.Wait()
		if got := r.sink.got("a"); len(got) > 0 {
			r.Errorf("delivered %q past a record that is tried again", got)
		}
		began := time.Now()
		if err := stop(); err != nil { // it comes again at the next start
			r.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			r.Errorf("the stop took %v", took)
		}
	})
}

// A transform that remembers takes each batch once.
func TestRetryLeavesWhatRemembersAlone(t *testing.T) {
	bubble(t, func(r *rig) {
		calls := 0
		remembers := &memory{watch: r.watch, strict: true, before: func(_ context.Context, b *pipeline.Batch) error {
			calls++
			b.Records[0].Fail(unreachable("a server"))
			return nil
		}}
		r.cfg.Stages = []engine.Stage{{Name: "memory", Transform: remembers, OnError: engine.Drop, Retry: engine.Retry{Attempts: 5, Backoff: time.Millisecond}}}
		r.source.push("a", "1", "2")
		r.source.seal("a")
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		if got := r.sink.got("a"); calls != 1 || !slices.Equal(got, []string{"2"}) {
			r.Errorf("%d calls, delivered %q", calls, got)
		}
	})
}
