package engine

import (
	"context"
	"maps"
	"sync"

	"github.com/penstock-io/penstock/pipeline"
)

// settling holds the committed positions that the source has not been told of.
// A newer position of a shard replaces an older one.
type settling struct {
	mu        sync.Mutex
	positions map[string]pipeline.Position
	wake      chan struct{}
	busy      chan struct{} // holds a token: who has it tells the source
}

func (q *settling) add(positions map[string]pipeline.Position) {
	q.mu.Lock()
	if q.positions == nil {
		q.positions = positions
	} else {
		maps.Copy(q.positions, positions)
	}
	q.mu.Unlock()
	wake(q.wake)
}

// take empties the queue.
func (q *settling) take() map[string]pipeline.Position {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.positions
	q.positions = nil
	return taken
}

// putBack returns a position that could not be settled, unless a newer one has
// come meanwhile.
func (q *settling) putBack(shard string, p pipeline.Position) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.positions == nil {
		q.positions = map[string]pipeline.Position{}
	}
	if _, newer := q.positions[shard]; !newer {
		q.positions[shard] = p
	}
}

// settleLoop lets the source clean up. It is only cleaning: while the source is
// away, reading cannot go on either, and what is left is cleaned up later.
func (s *session) settleLoop() {
	backoff := newBackoff()
	for {
		select {
		case <-s.settling.wake:
		case <-s.ctx.Done():
			return
		}
		if s.settle(s.ctx) {
			backoff = newBackoff()
			continue
		}
		if !sleep(s.ctx, backoff.next()) {
			return
		}
		wake(s.settling.wake)
	}
}

// settle tells the source what is committed, and is false where something was
// left for later.
func (s *session) settle(ctx context.Context) bool {
	<-s.settling.busy
	defer func() { s.settling.busy <- struct{}{} }()
	all := true
	for name, p := range s.settling.take() {
		if err := s.settleShard(ctx, s.shard(name), p); err != nil {
			if final(err) {
				s.halt(err)
			} else if s.ctx.Err() == nil {
				s.task.state.trouble(settleTrouble+name, err)
			}
			s.settling.putBack(name, p)
			all = false
			continue
		}
		s.task.state.well(settleTrouble + name)
	}
	return all
}

func (s *session) settleShard(ctx context.Context, sh *shard, p pipeline.Position) error {
	if err := sh.reader.Settle(ctx, p); err != nil {
		return err
	}
	s.task.at(Settled)
	sh.settled.Store(&p)
	if s.task.drain.near(sh.name, p) {
		return s.drained(ctx, sh)
	}
	return nil
}
