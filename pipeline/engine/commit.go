package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// slow is after how long a sink that does not answer is worth a word.
const slow = 5 * time.Second

// transaction is what the lane holds since the last commit.
type transaction struct {
	batches   []*carried
	positions map[string]pipeline.Position
	records   int
	letters   []pipeline.DeadLetter // that a writer is to keep
}

// write hands a batch to the lane, in its turn, and sees whether the
// transaction is due: at once when nothing else is under way and nothing can come,
// since the source had no more than this or the window has no room; or when it is
// large, or holds half of the window: the other half is read while this one is
// committed. Age is the commit loop's.
func (s *session) write(c *carried) error { return s.inTurn(func() error { return s.writeHeld(c) }) }

func (s *session) writeHeld(c *carried) error {
	s.takeLetters(c.batch)
	if err := s.lane.Write(s.ctx, c.batch); err != nil {
		return fmt.Errorf("shard %s: %w", c.batch.Shard, err)
	}
	if len(s.tx.batches) == 0 {
		s.tx.positions = map[string]pipeline.Position{}
		s.age.Reset(s.task.cfg.CommitEvery)
	}
	s.tx.batches = append(s.tx.batches, c)
	s.tx.positions[c.batch.Shard] = c.batch.After
	s.tx.records += len(c.batch.Records)
	s.task.at(Written)
	idle := s.underWay.Add(-1) == 0 && (!c.full || s.window.waiting.Load() > 0)
	if s.task.isolation.active() {
		return s.commitHeld()
	}
	if idle || s.tx.records >= s.task.cfg.CommitRecords || 2*len(s.tx.batches) >= s.task.cfg.Window.Batches {
		wake(s.due)
	}
	return nil
}

// crowded sees whether the transaction is due when a batch finds no room in the
// window.
func (s *session) crowded() {
	if s.underWay.Load() == 0 {
		wake(s.due)
	}
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
		if s.commit() != nil {
			return
		}
	}
}

// commit ends the transaction that is open, if one is.
func (s *session) commit() error { return s.inTurn(s.commitHeld) }

// inTurn waits for the turn and calls use with it. The wait ends with the
// session. An error ends the session before anybody else has the turn: the lane
// is dead then.
func (s *session) inTurn(use func() error) error {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-s.ctx.Done():
	}
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	defer s.watch()()
	if err := s.guard(use); err != nil {
		s.fail(err)
		return context.Cause(s.ctx) // what came first: closing the lane fails it too
	}
	return nil
}

// guard turns a panic of the sink, or of a transform that is told what was
// settled, into an error.
func (s *session) guard(use func() error) (err error) {
	defer s.task.recovered("the sink", &err, sessionTrouble)
	return use()
}

// watch says so when the sink does not answer for long. The function it returns
// ends that.
func (s *session) watch() (stop func()) {
	said := make(chan struct{})
	timer := time.AfterFunc(slow, func() {
		defer close(said)
		s.task.state.trouble(sessionTrouble, &pipeline.Error{Class: pipeline.Unreachable, What: "the sink has not answered for " + slow.String()})
	})
	return func() {
		if !timer.Stop() {
			<-said
		}
	}
}

// commitHeld is commit for who has the turn. Nobody writes meanwhile; reading
// and transforming go on.
func (s *session) commitHeld() error {
	t := s.task
	if len(s.tx.batches) == 0 {
		return nil
	}
	if err := t.refusals.allow(&s.tx, time.Now()); err != nil {
		return err
	}
	t.at(Committing)
	if err := s.keepLetters(); err != nil {
		return err
	}
	if err := s.lane.Commit(s.ctx, s.tx.positions); err != nil {
		return err
	}
	t.at(Committed)
	t.memory.keep(s.tx.positions)
	t.isolation.committed(s.tx.positions)
	t.stats.committed(&s.tx)
	t.refusals.committed(&s.tx, time.Now())
	for _, c := range s.tx.batches {
		t.settled(c.batch)
		s.window.give(c)
	}
	s.settling.add(s.tx.positions)
	s.tx = transaction{batches: s.tx.batches[:0]}
	t.state.well(sessionTrouble)
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

// givenUp tells the transforms that remember. Nothing of the shard is under way,
// nor written and not committed.
func (e *Engine) givenUp(shard string) {
	for _, stage := range e.cfg.Stages {
		if o, ok := stage.Transform.(pipeline.Ordered); ok {
			o.GivenUp(shard)
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
