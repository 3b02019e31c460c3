package engine

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// GiveUp halts a pipeline whose records are refused too often: something is wrong then
// that is not about single records.
type GiveUp struct {
	Failures int // dropped and dead-lettered records; 0: never
	Within   time.Duration
}

// refusals counts the records that were dropped and dead-lettered of late. Only what is
// committed counts: what comes again after a failure is counted once. Safe for
// concurrent use.
type refusals struct {
	limit GiveUp

	mu     sync.Mutex
	recent []refused
}

// refused is how many records a transaction has passed on so.
type refused struct {
	at time.Time
	n  int
}

// allow tells, before a transaction is committed, whether the pipeline gives up with
// it.
func (r *refusals) allow(tx *transaction, now time.Time) error {
	if r.limit.Failures == 0 {
		return nil
	}
	n, newest, shard := tx.refused()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent = slices.DeleteFunc(r.recent, func(one refused) bool { return now.Sub(one.at) >= r.limit.Within })
	all := n
	for _, one := range r.recent {
		all += one.n
	}
	if n == 0 || all < r.limit.Failures {
		return nil
	}
	return &pipeline.Error{Class: pipeline.Permanent,
		What: fmt.Sprintf("given up: %d records were refused within %v (on_error.give_up_after), the newest at shard %s, position %s, by %s", all, r.limit.Within, shard, newest.Offset, newest.Failure.Stage),
		Err:  newest.Failure.Err,
		Do:   "see what they have in common; those that are not dropped or dead-lettered yet come again at the next start",
	}
}

// committed notes what a transaction has passed on.
func (r *refusals) committed(tx *transaction, now time.Time) {
	if r.limit.Failures == 0 {
		return
	}
	if n, _, _ := tx.refused(); n > 0 {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.recent = append(r.recent, refused{now, n})
	}
}

// refused counts the records of a transaction that are dropped or dead-lettered, and
// gives the newest one and its shard.
func (tx *transaction) refused() (n int, newest *pipeline.Record, shard string) {
	for _, c := range tx.batches {
		for i := range c.batch.Records {
			r := &c.batch.Records[i]
			if r.Fate == pipeline.Dropped || r.Fate == pipeline.DeadLettered || r.Fate == pipeline.SetAside {
				n, newest, shard = n+1, r, c.batch.Shard
			}
		}
	}
	return n, newest, shard
}
