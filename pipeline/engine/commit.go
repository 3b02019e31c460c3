package engine

import (
	"context"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// slowCommit is after how long a commit under way is worth a word.
const slowCommit = 5 * time.Second

// transaction is what the lane holds since the last commit.
type transaction struct {
	batches   []*carried
	positions map[string]pipeline.Position
	records   int
}

// write hands a batch to the lane, in its turn, and sees whether the
// transaction is due: at once when nothing else is under way and the source had
// no more than this, or when it is large, or when the window has no room for
// more. Age is the commit loop's.
func (s *session) write(c *carried) error { return s.inTurn(func() error { return s.writeHeld(c) }) }

func (s *session) writeHeld(c *carried) error {
	if err := s.lane.Write(s.ctx, c.batch); err != nil {
		return err
	}
	if len(s.tx.batches) == 0 {
		s.tx.positions = map[string]pipeline.Position{}
		s.age.Reset(s.engine.cfg.CommitEvery)
	}
	s.tx.batches = append(s.tx.batches, c)
	s.tx.positions[c.batch.Shard] = c.batch.After
	s.tx.records += len(c.batch.Records)
	s.engine.at(Written)
	idle := s.underWay.Add(-1) == 0 && !c.full
	if s.engine.isolation.active() {
		return s.commitHeld()
	}
	if idle || s.tx.records >= s.engine.cfg.CommitRecords || len(s.tx.batches) == s.engine.cfg.Window.Batches {
		wake(s.due)
	}
	return nil
}

// commitLoop ends transactions that are due or old.
func (s *session) commitLoop() {
	defer s.age.Stop()
	for {
		select {
		case <-s.due:
		case <-s.age.C:
		case <-s.ctx.Done():
			return
		}
		if err := s.commit(); err != nil {
			s.fail(err)
			return
		}
	}
}

// commit ends the transaction that is open, if one is.
func (s *session) commit() error { return s.inTurn(s.commitHeld) }

// inTurn waits for the turn and calls use with it. The wait ends with the
// session.
func (s *session) inTurn(use func() error) error {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
		return use()
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// commitHeld is commit for who has the turn. Nobody writes meanwhile; reading
// and transforming go on.
func (s *session) commitHeld() error {
	e := s.engine
	if len(s.tx.batches) == 0 {
		return nil
	}
	slow := time.AfterFunc(slowCommit, func() {
		e.state.trouble(laneTrouble, &pipeline.Error{Class: pipeline.Unreachable, What: "the sink has not acknowledged a commit for " + slowCommit.String()})
	})
	e.at(Committing)
	err := s.lane.Commit(s.ctx, s.tx.positions)
	slow.Stop()
	if err != nil {
		return err
	}
	e.at(Committed)
	e.state.well(laneTrouble)
	e.isolation.committed(s.tx.positions)
	e.stats.committed(&s.tx)
	for _, c := range s.tx.batches {
		e.settled(c.batch)
		s.window.give(c)
	}
	s.settling.add(s.tx.positions)
	s.tx = transaction{batches: s.tx.batches[:0]}
	return nil
}

// settled tells the transforms that remember.
func (e *Engine) settled(b *pipeline.Batch) {
	for _, stage := range e.cfg.Stages {
		if o, ok := stage.Transform.(pipeline.Ordered); ok {
			o.Settled(b)
		}
	}
}

// wake signals a channel of capacity one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
