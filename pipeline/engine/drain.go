package engine

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/penstock-io/penstock/pipeline"
)

// drain holds what UntilDrained waits for: the shards that are not settled yet to
// the tail they had when the first session opened. It outlives sessions: whatever
// fails meanwhile, and whoever keeps writing, a run ends. A shard that is found
// later is not waited for.
type drain struct {
	mu    sync.Mutex
	tails map[string]pipeline.Position // nil: no session has opened yet
}

func (d *drain) begun() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tails != nil
}

func (d *drain) begin(tails map[string]pipeline.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tails = tails
}

// only forgets the shards that are not there any more: they hold nothing.
func (d *drain) only(shards map[string]*shard) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.tails, func(name string, _ pipeline.Position) bool { return shards[name] == nil })
}

func (d *drain) waitsFor(shard string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, waits := d.tails[shard]
	return waits
}

// near tells whether a shard that is waited for may be at its tail.
func (d *drain) near(shard string, settled pipeline.Position) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	tail, waits := d.tails[shard]
	return waits && (settled.Incarnation != tail.Incarnation || settled.Offset.Compare(tail.Offset) >= 0)
}

// see holds what a shard is settled to against its tail, and ends the waiting for
// it where that is reached. now is the tail it has now. It takes the place of the
// first one where that will never come: in another incarnation, and where others
// have removed records.
func (d *drain) see(shard string, settled, now pipeline.Position) {
	d.mu.Lock()
	defer d.mu.Unlock()
	tail, waits := d.tails[shard]
	if !waits {
		return
	}
	if now.Incarnation != tail.Incarnation || now.Offset.Compare(tail.Offset) < 0 {
		tail = now
		d.tails[shard] = now
	}
	if settled.Incarnation == tail.Incarnation && settled.Offset.Compare(tail.Offset) >= 0 {
		delete(d.tails, shard)
	}
}

// over is false where nothing is to be drained, or something still is.
func (d *drain) over() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tails != nil && len(d.tails) == 0
}

// findTails asks the shards where UntilDrained ends: all of them when the first
// session opens, later those that are still waited for.
func (s *session) findTails(opened []*shard) error {
	if !s.task.cfg.UntilDrained {
		return nil
	}
	d, tails := &s.task.drain, map[string]pipeline.Position{}
	begun := d.begun()
	for _, sh := range opened {
		if begun && !d.waitsFor(sh.name) {
			continue
		}
		now, err := sh.reader.Tail(s.reading)
		if err != nil {
			return fmt.Errorf("shard %s: %w", sh.name, err)
		}
		tails[sh.name] = now
	}
	if !begun {
		d.begin(maps.Clone(tails))
	}
	d.only(s.shards)
	for name, now := range tails {
		d.see(name, *s.shards[name].settled.Load(), now)
	}
	return nil
}

// drained sees whether a shard that UntilDrained waits for is settled to its
// tail, and ends the reading with the last one. The source is asked again before
// that: where it has begun a new incarnation meanwhile, there is more to come.
func (s *session) drained(ctx context.Context, sh *shard) error {
	d, settled := &s.task.drain, *sh.settled.Load()
	now, err := sh.reader.Tail(ctx)
	if err != nil {
		return err
	}
	d.see(sh.name, settled, now)
	if d.over() {
		s.halt(errStopped)
	}
	return nil
}

// lookAtTails looks at the shards that UntilDrained waits for: where others have
// removed what is left, nothing more may ever be settled.
func (s *session) lookAtTails() {
	for name, sh := range s.shards {
		if s.task.drain.waitsFor(name) {
			_ = s.drained(s.reading, sh) // what the source says then, the reading says too
		}
	}
}
