package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// lookEvery is how often a session looks for new shards, and at its lag.
const lookEvery = 2 * time.Second

// open opens the shards of the source that are not open yet, and commits the
// positions they start from before anything is read. When the session starts, one
// that cannot be opened fails all: no position is committed then, so that the
// first start of a pipeline stays the first. Later the others are opened, and
// come with the error.
func (s *session) open(starting bool) ([]*shard, error) {
	names, err := s.task.cfg.Source.Shards(s.reading)
	if err != nil {
		return nil, err
	}
	var opened []*shard
	var failed error
	for _, name := range names {
		if s.shards[name] != nil || !s.task.owns(name) {
			continue
		}
		sh, err := s.openShard(name, starting && s.first)
		switch {
		case err == nil:
			opened = append(opened, sh)
		case starting:
			return nil, err
		case failed == nil:
			failed = err
		}
	}
	if len(s.shards) > 1 {
		for _, sh := range s.shards {
			sh.share.resize(s.task.cfg.Window.half())
		}
	}
	if err := s.commitStarts(opened); err != nil {
		return nil, err
	}
	return opened, failed
}

func (s *session) openShard(name string, first bool) (*shard, error) {
	req := pipeline.OpenRequest{Shard: name, First: first, KeepsPosition: s.task.cfg.SourceKeepsPosition}
	if p, ok := s.positions[name]; ok {
		req.From = &p
	}
	reader, err := s.task.cfg.Source.Open(s.reading, req)
	if err != nil {
		return nil, fmt.Errorf("shard %s: %w", name, err)
	}
	start := reader.Start()
	sh := &shard{
		session: s, name: name, reader: reader, share: s.window.share(s.task.cfg.Window), out: make(chan *message.Message),
		moved: req.From == nil || *req.From != start, written: start,
	}
	sh.settled.Store(&start)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards[name] = sh
	return sh, nil
}

// commitStarts stores where shards start from. A source that keeps its own
// positions is told: it must start there again, even where nothing is read before
// the next start.
func (s *session) commitStarts(opened []*shard) error {
	starts := map[string]pipeline.Position{}
	for _, sh := range opened {
		if sh.moved {
			starts[sh.name] = sh.written
		}
	}
	if len(starts) == 0 {
		return nil
	}
	return s.inTurn(func() error {
		if err := s.commitHeld(); err != nil { // records never go without their positions
			return err
		}
		s.task.memory.restart(starts)
		if err := s.lane.Commit(s.ctx, starts); err != nil {
			return err
		}
		s.task.memory.keep(starts)
		if s.task.cfg.SourceKeepsPosition {
			s.settling.add(starts)
		}
		return nil
	})
}

// launch gives each shard its handler and starts reading.
func (s *session) launch(opened []*shard) {
	for _, sh := range opened {
		s.router.AddHandler(sh.name, sh.name, sh, sh.name, sh, passOn)
	}
	if err := s.router.RunHandlers(s.ctx); err != nil {
		s.fail(err)
		return
	}
	for _, sh := range opened {
		s.readers.Go(sh.run)
	}
}

// patienceLoop ends the session when the patience is over. It asks nobody who may
// take his time.
func (s *session) patienceLoop() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.reading.Done():
			return
		case <-ticker.C:
			if err := s.task.patienceOver(); err != nil {
				s.fail(err)
				return
			}
		}
	}
}

// lookLoop finds new shards, keeps the lag, looks whether all is drained, and ends
// the session when every shard is at its end.
func (s *session) lookLoop() {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	s.measureLag(s.reading)
	for {
		select {
		case <-s.reading.Done():
			return
		case <-s.end:
			if int(s.ended.Load()) == len(s.shards) {
				s.task.ended.Store(true)
				s.halt(errStopped)
			}
		case <-ticker.C:
			s.look()
		}
	}
}

func (s *session) look() {
	if s.window.empty() { // whatever a commit failed with, nothing waits for one
		s.task.state.well(sessionTrouble)
	}
	s.measureLag(s.reading)
	s.lookAtTails()
	opened, err := s.open(false)
	s.launch(opened)
	if len(s.shards) == 0 && s.task.ended.Load() { // the source has ends, and nothing for this task
		s.halt(errStopped)
	}
	switch {
	case s.reading.Err() != nil: // that was the error
	case err == nil:
		s.task.state.well(sourceTrouble)
	case final(err):
		s.halt(err)
	default:
		s.task.state.trouble(sourceTrouble, err)
	}
}

// shard gives an open shard by its name.
func (s *session) shard(name string) *shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shards[name]
}

// measureLag asks each shard what is waiting.
func (s *session) measureLag(ctx context.Context) {
	s.mu.Lock()
	shards := slices.Collect(maps.Values(s.shards))
	s.mu.Unlock()
	for _, sh := range shards {
		n, err := sh.reader.Lag(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil { // else the reading itself says what is wrong
			s.task.stats.lag(sh.name, n)
		}
	}
}
