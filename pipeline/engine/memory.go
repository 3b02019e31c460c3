package engine

import (
	"fmt"
	"slices"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// memory holds the last position of each shard that the sink has stored, as far as
// this process knows. It outlives sessions: a sink that has lost a position looks
// like one of a new shard, and everything would be delivered again. It is used by
// who has the turn, and between sessions.
type memory map[string]remembered

type remembered struct {
	position pipeline.Position
	at       time.Time // when the sink was known to hold it
}

// keep notes what the sink holds now.
func (m memory) keep(positions map[string]pipeline.Position) {
	now := time.Now()
	for shard, p := range positions {
		m[shard] = remembered{p, now}
	}
}

// restart notes where shards are to start from, before that is committed: one may
// go back in its incarnation, and whether it did is not known when the commit fails.
func (m memory) restart(starts map[string]pipeline.Position) {
	for shard, p := range starts {
		if known, ok := m[shard]; ok && before(p, known.position) {
			m[shard] = remembered{p, known.at}
		}
	}
}

// missing holds the positions that the sink gives against the memory. Higher ones
// are well, a commit of unknown outcome may have been applied; so is another
// incarnation.
func (m memory) missing(positions map[string]pipeline.Position) error {
	var lost []string
	for shard, known := range m {
		if p, ok := positions[shard]; !ok || before(p, known.position) {
			lost = append(lost, shard)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	shard := slices.Min(lost)
	what := fmt.Sprintf("the sink no longer holds position %s of shard %s, which it held at %s: it gives ",
		m[shard].position.Offset, shard, m[shard].at.UTC().Format(time.RFC3339))
	if p, ok := positions[shard]; ok {
		what += "the older " + p.Offset.String()
	} else {
		what += "none"
	}
	if n := len(lost) - 1; n > 0 {
		what += fmt.Sprintf(" (and so for %d more)", n)
	}
	return &pipeline.Error{Class: pipeline.Permanent, What: what,
		Do: "somebody has deleted or restored what the sink remembers of this pipeline; bring it back before the next start, which would deliver again whatever the source still holds"}
}

// before tells whether p is an earlier place than q in the same incarnation.
func before(p, q pipeline.Position) bool {
	return p.Incarnation == q.Incarnation && p.Offset.Compare(q.Offset) < 0
}

// remember ends a session whose lane has lost positions, and keeps those it has.
func (s *session) remember() error {
	t := s.task
	if t.cfg.SourceKeepsPosition {
		return nil
	}
	if err := t.memory.missing(s.positions); err != nil {
		return err
	}
	t.memory.keep(s.positions)
	return nil
}
