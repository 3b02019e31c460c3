package redis

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// pond is a reader whose records come and go as a test says: a read takes one,
// and needs a while.
type pond struct {
	pipeline.Reader
	tail, cursor uint64
	takes        time.Duration
	rested       int
	away         bool      // the server does not answer
	flows        time.Time // since when a record comes every second; zero: tail says
	began        []time.Time
}

var errAway = &pipeline.Error{Class: pipeline.Unreachable, What: "away"}

func (p *pond) Start() pipeline.Position   { return pipeline.Position{} }
func (p *pond) Wait(context.Context) error { return nil }
func (p *pond) Close() error               { p.away = true; return nil }
func (p *pond) rest()                      { p.rested++ }

func (p *pond) Read(_ context.Context, b *pipeline.Batch, _ pipeline.Limit) error {
	time.Sleep(p.takes) //nolint:forbidigo // in a bubble: it is the time that reading takes
	p.cursor++
	b.After = pipeline.Position{Incarnation: "I", Offset: pipeline.Offset{Minor: p.cursor}}
	return nil
}

func (p *pond) Rewind(to pipeline.Position) error {
	p.cursor = to.Offset.Minor
	return nil
}

func (p *pond) Tail(context.Context) (pipeline.Position, error) {
	if p.away {
		return pipeline.Position{}, errAway
	}
	p.began = append(p.began, time.Now())
	if !p.flows.IsZero() {
		p.tail = uint64(time.Since(p.flows) / time.Second)
	}
	return pipeline.Position{Incarnation: "I", Offset: pipeline.Offset{Minor: p.tail}}, nil
}

// drains gives when drains began, in a time that a test lets pass: a record
// comes every second.
func drains(t *testing.T, trigger Trigger, takes, within time.Duration) []time.Duration {
	t.Helper()
	start := time.Now()
	p := &pond{takes: takes, flows: start}
	r, err := trigger.schedule(p)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for ctx.Err() == nil {
		if err := r.Wait(ctx); err == nil {
			must(t, r.Read(ctx, &pipeline.Batch{}, large))
		}
	}
	must(t, r.Close())
	must(t, r.Close())
	var out []time.Duration
	for _, at := range p.began {
		out = append(out, at.Sub(start))
	}
	return out
}

func TestTriggers(t *testing.T) {
	const s, m = time.Second, time.Minute
	for name, c := range map[string]struct {
		trigger Trigger
		takes   time.Duration // a record
		within  time.Duration
		want    []time.Duration
	}{
		"every, at the start too":   {Trigger{Every: 10 * s}, 0, 35 * s, []time.Duration{0, 10 * s, 20 * s, 30 * s}},
		"every, and a drain longer": {Trigger{Every: 10 * s}, 1500 * time.Millisecond, 50 * s, []time.Duration{0, 10 * s, 25 * s, 47*s + 500*time.Millisecond}},
		"cron":                      {Trigger{Cron: "*/5 * * * *"}, 0, 16 * m, []time.Duration{5 * m, 10 * m, 15 * m}},
		"cron in another zone":      {Trigger{Cron: "30 2 * * *", TimeZone: "Asia/Kolkata"}, 0, 24 * time.Hour, []time.Duration{21 * time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // it is midnight, UTC
				if c.trigger.Cron != "" && c.trigger.TimeZone == "" {
					c.trigger.TimeZone = "UTC"
				}
				got := drains(t, c.trigger, c.takes, c.within)
				if !slices.Equal(got, c.want) {
					t.Errorf("drains began after %v, want %v", got, c.want)
				}
			})
		})
	}
}

func TestCronPassesOverWhatComesDuringADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pond{tail: 7, takes: time.Minute}
		start := time.Now()
		r, err := Trigger{Cron: "*/5 * * * *", TimeZone: "UTC"}.schedule(p)
		must(t, err)
		for range 7 { // from 5 to 12 minutes past
			must(t, r.Wait(t.Context()))
			must(t, r.Read(t.Context(), &pipeline.Batch{}, large))
		}
		p.tail++
		must(t, r.Wait(t.Context()))
		if got := time.Since(start); got != 15*time.Minute {
			t.Errorf("the next drain began after %v", got)
		}
	})
}

func TestScheduledDrainWaitsForTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pond{tail: 1, away: true}
		start := time.Now()
		r, err := Trigger{Cron: "0 0 1 * *", TimeZone: "UTC"}.schedule(p)
		must(t, err)
		wantError(t, r.Wait(t.Context()), pipeline.Unreachable)
		due := time.Since(start)
		time.Sleep(time.Minute) //nolint:forbidigo // in a bubble
		p.away = false
		must(t, r.Wait(t.Context())) // and not a month later
		if late := time.Since(start) - due; late != time.Minute {
			t.Errorf("it drained %v late", late)
		}
	})
}

func TestScheduledDrainGoesOnAfterARewind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pond{tail: 3}
		r, err := Trigger{Every: time.Hour}.schedule(p)
		must(t, err)
		start := time.Now()
		for range 3 {
			must(t, r.Wait(t.Context()))
			must(t, r.Read(t.Context(), &pipeline.Batch{}, large))
		}
		must(t, r.Rewind(pipeline.Position{Incarnation: "I", Offset: pipeline.Offset{Minor: 1}}))
		must(t, r.Wait(t.Context()))
		if time.Since(start) != 0 || p.cursor != 1 {
			t.Errorf("after %v it is at %d", time.Since(start), p.cursor)
		}
	})
}

// A time that never comes is an error, and not now: validate cannot see as far
// as a pipeline may run.
func TestCronThatNeverComes(t *testing.T) {
	p := &pond{tail: 1}
	r, err := Trigger{Cron: "0 0 31 2 *", TimeZone: "UTC"}.schedule(p)
	must(t, err)
	wantError(t, r.Wait(t.Context()), pipeline.Permanent, "never comes")
	if len(p.began) > 0 {
		t.Error("a drain began")
	}
}

// The connection rests between drains, and not within one.
func TestScheduledReaderRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pond{tail: 3}
		r, err := Trigger{Every: time.Hour}.schedule(p)
		must(t, err)
		for i := range 9 {
			must(t, r.Wait(t.Context()))
			must(t, r.Read(t.Context(), &pipeline.Batch{}, large))
			if i%3 == 2 {
				p.tail += 3
			}
			if p.rested != i/3 {
				t.Fatalf("after %d records it has rested %d times", i+1, p.rested)
			}
		}
	})
}

func TestScheduledWaitEndsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := Trigger{Cron: "0 0 1 1 *"}.schedule(&pond{})
		must(t, err)
		woken := make(chan error, 1)
		start := time.Now()
		go func() { woken <- r.Wait(t.Context()) }()
		synctest.Wait()
		must(t, r.Close())
		if <-woken == nil || time.Since(start) != 0 {
			t.Errorf("it woke after %v", time.Since(start))
		}
	})
}
