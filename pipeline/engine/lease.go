package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// lookAtLease is how often an instance that stands by looks whether the active one
// has ended.
const lookAtLease = 500 * time.Millisecond

// turn is a time during which this instance has the lease, as far as it knows.
type turn struct {
	lost   atomic.Bool // another instance has it
	lapsed atomic.Bool // nobody had it for a while: another may have, in between
}

// inTurns works while this instance is the active one, and stands by while
// it is not.
func (e *Engine) inTurns(ctx context.Context) error {
	defer e.release(ctx)
	for {
		if err := e.becomeActive(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		t := &turn{}
		err := e.active(ctx, t)
		if ctx.Err() != nil || !e.superseded(ctx, t, err) {
			return err
		}
		if err != nil {
			e.cfg.Log.Info("what ended the work of this instance", "error", err.Error())
		}
		e.begun = false
		for _, t := range e.tasks {
			t.forget()
		}
	}
}

// becomeActive waits until this instance has the lease. Errors: of ctx, Permanent,
// or that the patience is over.
func (e *Engine) becomeActive(ctx context.Context) error {
	backoff := newBackoff()
	for {
		_, err := e.take(ctx)
		pause := lookAtLease
		taken, isTaken := errors.AsType[*pipeline.Taken](err)
		switch {
		case err == nil:
			e.state.activate()
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case isTaken:
			e.state.standBy(taken.Error())
			backoff = newBackoff()
		case final(err):
			return err
		default:
			e.state.trouble(troubled{of: leaseTrouble}, err)
			pause = backoff.next()
		}
		if over := e.patienceOver(); over != nil {
			return over
		}
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
	}
}

// take takes or renews the lease, in the time after which it is tried again.
func (e *Engine) take(ctx context.Context) (anew bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, e.renewEvery())
	defer cancel()
	return e.cfg.Lease.Take(ctx)
}

// renewEvery leaves room for two failures in the life of a lease.
func (e *Engine) renewEvery() time.Duration { return e.cfg.Lease.Life() / 3 }

// active works and renews the lease meanwhile, also while a stop settles what
// is under way. Where the lease is lost, it ends as by a stop.
func (e *Engine) active(ctx context.Context, t *turn) error {
	working, lose := context.WithCancel(ctx)
	defer lose()
	renewing, end := context.WithCancel(context.WithoutCancel(ctx))
	var loop sync.WaitGroup
	loop.Go(func() { e.renew(renewing, t, lose) })
	defer loop.Wait()
	defer end()
	return e.work(working)
}

// renew keeps the lease until ctx ends or another instance has it. While nobody
// answers, the work goes on: nobody else can take the lease either.
func (e *Engine) renew(ctx context.Context, t *turn, lose func()) {
	ticker := time.NewTicker(e.renewEvery())
	defer ticker.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		anew, err := e.take(ctx)
		taken, isTaken := errors.AsType[*pipeline.Taken](err)
		switch {
		case ctx.Err() != nil:
			return
		case isTaken:
			e.cfg.Log.Warn("this instance has lost its lease, and stops working", "reason", taken.Error())
			t.lost.Store(true)
			lose()
			return
		case err != nil && !away:
			e.cfg.Log.Warn("the lease is not renewed, and the work goes on: trying again", "reason", err.Error())
		case anew:
			t.lapsed.Store(true)
			e.cfg.Log.Info("this instance has the lease now; it had none for a while")
		case err == nil && away:
			e.cfg.Log.Info("the lease is renewed again")
		}
		away = err != nil
	}
}

// takeBackEvery is after how many lives of the lease a lane is taken back once more from
// a rival that has fenced this instance and does not have the lease.
const takeBackEvery = 10

// superseded tells whether a turn has ended because another instance is, or was,
// active: then this one stands by. A rival that took over although the lease never
// was anybody else's may have had it long ago and been asleep while it opened its lane:
// the lane is taken back. One that comes again soon does not heed the lease: taking
// the lane back would go on for ever.
func (e *Engine) superseded(ctx context.Context, t *turn, err error) bool {
	if t.lost.Load() {
		return true
	}
	class := pipeline.ClassOf(err)
	if class != pipeline.Fenced && class != pipeline.Gap {
		return false
	}
	anew, takeErr := e.take(ctx)
	if anew || takeErr != nil || t.lapsed.Load() {
		return true
	}
	return class == pipeline.Fenced && e.takesBack()
}

// takesBack tells whether a lane is taken back now. Only a fence is answered so: to begin
// anew at a gap would be to forget what shows it.
func (e *Engine) takesBack() bool {
	if !e.takenBack.IsZero() && time.Since(e.takenBack) < takeBackEvery*e.cfg.Lease.Life() {
		return false
	}
	e.takenBack = time.Now()
	return true
}

// release gives the lease back, so that another instance is active at once.
func (e *Engine) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := e.cfg.Lease.Release(ctx); err != nil {
		e.cfg.Log.Warn("the lease is not given back; it ends after its life", "life", e.cfg.Lease.Life().String(), "error", err.Error())
	}
}
