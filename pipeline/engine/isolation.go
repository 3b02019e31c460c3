package engine

import (
	"fmt"
	"sync"

	"github.com/penstock-io/penstock/pipeline"
)

// isolation finds the one record that the sink refuses: a refusal is about a
// whole produce batch. While it searches, each batch is a transaction of its
// own, and half as large after each refusal; a refused batch of one record has
// found it. Successes let the batches grow again.
type isolation struct {
	mu    sync.Mutex
	max   int // records of a batch in good times
	limit int // 0: nothing to search for
	found map[place]error
}

type place struct {
	shard  string
	offset pipeline.Offset
}

// active tells whether each batch is to be committed alone.
func (i *isolation) active() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.limit > 0
}

// records bounds a batch.
func (i *isolation) records() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.limit > 0 {
		return i.limit
	}
	return i.max
}

// refused takes the sink's word that one record of a transaction is at fault. The
// error says that there is nothing left to try.
func (i *isolation) refused(r *pipeline.Refused) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	at := place{r.Shard, r.Offset}
	switch {
	case i.limit == 0:
		i.limit = max(i.max/2, 1)
	case i.limit > 1:
		i.limit /= 2
	case i.found[at] != nil:
		return &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("shard %s, position %s: what on_error makes of the record is refused as well", r.Shard, r.Offset),
			Err: r.Err, Do: "look at the limits of the dead-letter topic, or say on_error: {then: drop}"}
	default:
		if i.found == nil {
			i.found = map[place]error{}
		}
		i.found[at] = r.Err
	}
	return nil
}

// condemned gives the reason why the sink refuses a record, nil where it does
// not, or is not known to.
func (i *isolation) condemned(shard string, o pipeline.Offset) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.found[place{shard, o}]
}

// committed lets batches grow again, and forgets the records that are past.
func (i *isolation) committed(positions map[string]pipeline.Position) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.limit == 0 {
		return
	}
	i.forgetPast(positions)
	if i.limit = min(2*i.limit, i.max); i.limit == i.max && len(i.found) == 0 {
		i.limit = 0
	}
}

// forget forgets the records that are past.
func (i *isolation) forget(positions map[string]pipeline.Position) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.forgetPast(positions)
}

func (i *isolation) forgetPast(positions map[string]pipeline.Position) {
	for at := range i.found {
		if p, ok := positions[at.shard]; ok && p.Offset.Compare(at.offset) >= 0 {
			delete(i.found, at)
		}
	}
}
