package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// look is how often a session looks for new shards, and at its lag.
const look = 2 * time.Second

// session is the life of one opened lane.
type session struct {
	engine *Engine
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
	router    *message.Router
	window    *window

	mu       sync.Mutex
	shards   map[string]*shard
	draining atomic.Int64  // shards that UntilDrained waits for
	ended    atomic.Int64  // shards that are at their end
	end      chan struct{} // one more shard is at its end
	readers  sync.WaitGroup
	loops    sync.WaitGroup

	underWay atomic.Int64  // batches between Read and the lane
	turn     chan struct{} // holds a token: who has it may use the lane
	tx       transaction   // guarded by turn
	age      *time.Timer   // fires when the open transaction is old
	due      chan struct{} // the open transaction should be committed now
	settling settling
}

var errStopped = errors.New("stopped")

// session opens a lane, runs until something ends it, and closes all it opened.
func (e *Engine) session(stop context.Context) error {
	lane, positions, err := e.cfg.Sink.Open(stop, pipeline.LaneID{Pipeline: e.cfg.Name, Lanes: 1, Instance: e.cfg.Instance})
	if err != nil {
		return err
	}
	s := &session{
		engine: e, lane: lane, positions: positions, window: newWindow(e.cfg.Window), shards: map[string]*shard{},
		turn: make(chan struct{}, 1), due: make(chan struct{}, 1), end: make(chan struct{}, 1), age: time.NewTimer(time.Hour),
		settling: settling{wake: make(chan struct{}, 1)},
	}
	s.ctx, s.fail = context.WithCancelCause(context.WithoutCancel(stop))
	s.reading, s.halt = context.WithCancelCause(s.ctx)
	defer context.AfterFunc(stop, func() { s.halt(errStopped) })()
	defer s.close()
	if err := s.start(); err != nil {
		return err
	}
	<-s.reading.Done()
	return s.finish()
}

// start opens the shards there are, commits where they start, and lets them go.
func (s *session) start() error {
	e := s.engine
	opened, err := s.open(len(s.positions) == 0)
	if err != nil {
		return err
	}
	for _, sh := range opened {
		if !e.cfg.UntilDrained {
			continue
		}
		tail, err := sh.reader.Tail(s.reading)
		if err != nil {
			return err
		}
		if tail.Offset.Compare(sh.written.Offset) > 0 {
			sh.tail = &tail
			s.draining.Add(1)
		}
	}
	e.state.well(laneTrouble)
	e.at(Opened)
	if s.router, err = message.NewRouter(message.RouterConfig{CloseTimeout: e.cfg.Shutdown}, watermill.NopLogger{}); err != nil {
		return err
	}
	s.router.AddMiddleware(s.middlewares()...)
	s.turn <- struct{}{}
	s.loops.Go(func() { _ = s.router.Run(s.ctx) }) // the error is about plugins, and there are none
	s.loops.Go(s.commitLoop)
	s.loops.Go(s.settleLoop)
	if err := s.launch(opened); err != nil {
		return err
	}
	if e.cfg.UntilDrained && s.draining.Load() == 0 {
		s.halt(errStopped)
	}
	s.loops.Go(s.lookLoop)
	return nil
}

// open opens the shards of the source that are not open yet, and commits the
// positions they start from before anything is read. With an error come those
// that were opened before it.
func (s *session) open(first bool) ([]*shard, error) {
	e := s.engine
	names, err := e.cfg.Source.Shards(s.reading)
	if err != nil {
		return nil, err
	}
	var opened []*shard
	var failed error
	starts := map[string]pipeline.Position{}
	for _, name := range names {
		if s.shards[name] != nil {
			continue
		}
		req := pipeline.OpenRequest{Shard: name, First: first, KeepsPosition: e.cfg.SourceKeepsPosition}
		if p, ok := s.positions[name]; ok {
			req.From = &p
		}
		reader, err := e.cfg.Source.Open(s.reading, req)
		if err != nil {
			failed = fmt.Errorf("shard %s: %w", name, err)
			break
		}
		sh := &shard{session: s, name: name, reader: reader, out: make(chan *message.Message), written: reader.Start()}
		s.mu.Lock()
		s.shards[name] = sh
		s.mu.Unlock()
		opened = append(opened, sh)
		if req.From == nil || *req.From != reader.Start() {
			starts[name] = reader.Start()
		}
	}
	if len(starts) > 0 {
		if err := s.commitStarts(starts); err != nil {
			return nil, err
		}
	}
	return opened, failed
}

// commitStarts stores where shards start from.
func (s *session) commitStarts(starts map[string]pipeline.Position) error {
	if s.router == nil { // nobody else uses the lane yet
		return s.lane.Commit(s.ctx, starts)
	}
	err := s.inTurn(func() error {
		if err := s.commitHeld(); err != nil { // records never go without their positions
			return err
		}
		return s.lane.Commit(s.ctx, starts)
	})
	if err != nil {
		s.fail(err)
	}
	return err
}

// launch gives each shard its handler and starts reading.
func (s *session) launch(opened []*shard) error {
	for _, sh := range opened {
		s.router.AddHandler(sh.name, sh.name, sh, sh.name, sh, passOn)
	}
	select {
	case <-s.router.Running():
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
	if err := s.router.RunHandlers(s.ctx); err != nil {
		return err
	}
	for _, sh := range opened {
		s.readers.Go(sh.run)
	}
	return nil
}

// lookLoop finds new shards, keeps the lag and the patience, and ends the
// session when every shard is at its end.
func (s *session) lookLoop() {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		select {
		case <-s.reading.Done():
			return
		case <-s.end:
			if int(s.ended.Load()) == len(s.shards) {
				s.halt(errStopped)
				return
			}
			continue
		case <-ticker.C:
		}
		if err := s.engine.patienceOver(); err != nil {
			s.fail(err)
			return
		}
		s.measureLag()
		opened, err := s.open(false)
		if failed := s.launch(opened); failed != nil {
			s.fail(failed)
			return
		}
		switch {
		case err == nil:
			s.engine.state.well(sourceTrouble)
		case final(err):
			s.halt(err)
		default:
			s.engine.state.trouble(sourceTrouble, err)
		}
	}
}

// finish settles what is under way after reading has ended, and gives the error
// of the session.
func (s *session) finish() error {
	cause := context.Cause(s.reading)
	deadline := time.AfterFunc(s.engine.cfg.Shutdown, func() {
		s.fail(&outOfPatience{fmt.Sprintf("pipeline %s could not settle what was under way within %v; it comes again at the next start",
			s.engine.cfg.Name, s.engine.cfg.Shutdown)})
	})
	defer deadline.Stop()
	s.readers.Wait()
	if s.ctx.Err() == nil {
		if err := s.commit(); err != nil {
			s.fail(err)
		}
		s.settle(s.ctx) // what cannot be cleaned up now is cleaned up at the next start
	}
	switch {
	case s.ctx.Err() != nil:
		return context.Cause(s.ctx)
	case errors.Is(cause, errStopped):
		return nil
	default:
		return cause
	}
}

// shard gives an open shard by its name.
func (s *session) shard(name string) *shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shards[name]
}

// measureLag asks each shard what is waiting.
func (s *session) measureLag() {
	s.mu.Lock()
	shards := slices.Collect(maps.Values(s.shards))
	s.mu.Unlock()
	for _, sh := range shards {
		n, err := sh.reader.Lag(s.reading)
		if err != nil {
			n = -1 // the reading itself says what is wrong
		}
		s.engine.stats.lag(sh.name, n)
	}
}

// close ends everything the session has started, and waits for it.
func (s *session) close() {
	s.fail(context.Canceled)
	s.lane.Close(context.WithoutCancel(s.ctx)) //nolint:errcheck // whatever it says, the next lane fences this one
	for _, sh := range s.shards {
		sh.reader.Close() //nolint:errcheck // nothing can be done about it
	}
	s.readers.Wait()
	if s.router != nil {
		s.router.Close() //nolint:errcheck // a time-out: the handlers end with their transforms
	}
	s.loops.Wait()
}
