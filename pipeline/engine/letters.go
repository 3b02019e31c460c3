package engine

import (
	"fmt"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// takeLetters takes the dead letters of a batch for the transaction, where a writer
// keeps them: the sink has nothing to do with them then.
func (s *session) takeLetters(b *pipeline.Batch) {
	if s.task.cfg.DeadLetters == nil {
		return
	}
	now := time.Now()
	for i := range b.Records {
		if r := &b.Records[i]; r.Fate == pipeline.DeadLettered {
			s.tx.letters = append(s.tx.letters, pipeline.NewDeadLetter(s.task.cfg.Name, b, r, now))
			r.Fate = pipeline.SetAside
		}
	}
}

// keepLetters keeps the letters of the transaction before the positions behind them are
// committed: a crash in between doubles them, and loses none.
func (s *session) keepLetters() error {
	if len(s.tx.letters) == 0 {
		return nil
	}
	if err := s.task.cfg.DeadLetters.Keep(s.ctx, s.tx.letters); err != nil {
		return fmt.Errorf("%d dead letters cannot be kept: %w", len(s.tx.letters), err)
	}
	s.task.at(Letters)
	return nil
}
