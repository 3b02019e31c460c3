package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// session is the life of one opened lane.
type session struct {
	task *task
	// ctx ends when the session must end at once; its cause says why.
	ctx  context.Context
	fail context.CancelCauseFunc
	// reading ends when nothing more is to be read: what is under way is still
	// written, committed and settled. Its cause is what Run returns, nil for a
	// stop that was asked for.
	reading context.Context
	halt    context.CancelCauseFunc

	lane      pipeline.Lane
	positions map[string]pipeline.Position // as the lane was opened
	first     bool                         // the very first start of the pipeline
	router    *message.Router
	window    *window

	opened atomic.Bool // the shards are: from now on something may be under way

	mu      sync.Mutex
	shards  map[string]*shard
	ended   atomic.Int64  // shards that are at their end
	end     chan struct{} // one more shard is at its end
	looking sync.WaitGroup
	readers sync.WaitGroup
	loops   sync.WaitGroup

	underWay atomic.Int64  // batches between Read and the lane
	turn     chan struct{} // holds a token: who has it may use the lane
	tx       transaction   // guarded by turn
	age      *time.Timer   // fires when the open transaction is old
	due      chan struct{} // the open transaction should be committed now
	settling settling
}

var errStopped = errors.New("stopped")

// session opens a lane, runs until something ends it, and closes all it opened.
// opened is false where it did not come to read.
func (t *task) session(stop context.Context) (opened bool, err error) {
	lane, positions, first, err := t.openLane(stop)
	if err != nil {
		return false, err
	}
	t.anew = false
	s := newSession(t, lane, positions)
	s.first = first
	s.ctx, s.fail = context.WithCancelCause(context.WithoutCancel(stop))
	s.reading, s.halt = context.WithCancelCause(s.ctx)
	defer context.AfterFunc(stop, func() { s.halt(errStopped) })()
	defer s.close()
	s.loops.Go(s.closeLane)
	s.loops.Go(s.deadline)
	s.loops.Go(s.patienceLoop)
	if err := s.start(); err != nil {
		return false, err
	}
	<-s.reading.Done()
	return true, s.finish(stop)
}

func newSession(t *task, lane pipeline.Lane, positions map[string]pipeline.Position) *session {
	s := &session{
		task: t, lane: lane, positions: positions, shards: map[string]*shard{},
		turn: make(chan struct{}, 1), due: make(chan struct{}, 1), end: make(chan struct{}, 1), age: time.NewTimer(time.Hour),
		settling: settling{wake: make(chan struct{}, 1), busy: make(chan struct{}, 1)},
	}
	s.settling.busy <- struct{}{}
	s.window = newWindow(t.cfg.Window, s.crowded)
	s.turn <- struct{}{}
	t.isolation.forget(positions)
	return s
}

// start opens the shards there are, commits where they start, and lets them go.
func (s *session) start() error {
	t := s.task
	if err := s.remember(); err != nil {
		return err
	}
	opened, err := s.open(true)
	if err != nil {
		return err
	}
	if err := s.findTails(opened); err != nil {
		return err
	}
	s.sayStarts(opened)
	s.opened.Store(true)
	t.started = true
	t.state.opened()
	t.at(Opened)
	if t.drain.over() {
		s.halt(errStopped)
		return nil
	}
	if s.router, err = message.NewRouter(message.RouterConfig{CloseTimeout: t.cfg.Shutdown}, watermill.NopLogger{}); err != nil {
		return err
	}
	s.router.AddMiddleware(s.middlewares()...)
	s.loops.Go(func() { _ = s.router.Run(s.ctx) }) // the error is about plugins, and there are none
	<-s.router.Running()
	s.loops.Go(s.commitLoop)
	s.loops.Go(s.settleLoop)
	s.launch(opened)
	s.looking.Go(s.lookLoop)
	return nil
}

// finish settles what is under way after reading has ended, and gives the error
// of the session.
func (s *session) finish(stop context.Context) error {
	s.looking.Wait() // it may open one more shard
	s.readers.Wait()
	if s.commit() == nil {
		s.settle(s.ctx) // what cannot be cleaned up now is cleaned up at the next start
		last, cancel := context.WithTimeout(s.ctx, time.Second)
		s.measureLag(last)
		cancel()
	}
	failed, cause := context.Cause(s.ctx), context.Cause(s.reading)
	switch {
	case failed != nil && stop.Err() != nil && !s.window.empty():
		return s.unsettled(failed)
	case failed != nil:
		return failed
	case errors.Is(cause, errStopped):
		return nil
	default:
		return cause
	}
}

// unsettled is the error of a stop that left something under way: there is no
// next session that could settle it.
func (s *session) unsettled(err error) error {
	if _, ok := errors.AsType[*pipeline.Refused](err); ok || final(err) {
		return err
	}
	return &outOfPatience{"pipeline " + s.task.cfg.Name + " was stopped, and what was under way could not be settled: " + err.Error() + "; it comes again at the next start"}
}

// deadline ends the session when what is under way is not settled in time after
// reading has ended: at once, where the shards were not open yet.
func (s *session) deadline() {
	<-s.reading.Done()
	if !s.opened.Load() {
		s.fail(errStopped)
		return
	}
	if sleep(s.ctx, s.task.cfg.Shutdown) {
		s.fail(&outOfPatience{fmt.Sprintf("pipeline %s could not settle what was under way within %v; it comes again at the next start",
			s.task.cfg.Name, s.task.cfg.Shutdown)})
	}
}

// closeLane closes the lane as soon as the session must end, which ends a Write
// or Commit that is blocked. It keeps the turn, if nobody has it: nobody uses the
// lane any more.
func (s *session) closeLane() {
	<-s.ctx.Done()
	select {
	case <-s.turn:
	default:
	}
	// Whatever it says, the next lane fences this one.
	_ = s.guard(func() error { return s.lane.Close(context.WithoutCancel(s.ctx)) })
}

// close ends everything the session has started, and waits for it.
func (s *session) close() {
	s.fail(context.Canceled)
	for _, sh := range s.shards {
		sh.reader.Close() //nolint:errcheck // nothing can be done about it
	}
	s.readers.Wait()
	for _, sh := range s.shards {
		close(sh.out)
	}
	if s.router != nil {
		s.router.Close() //nolint:errcheck // a time-out: the handlers end with their transforms
	}
	s.loops.Wait()
	for name := range s.shards {
		s.task.givenUp(name)
	}
}
