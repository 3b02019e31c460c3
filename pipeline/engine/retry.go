package engine

import (
	"context"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// Retry says how often a stage is tried again with records that it has refused for a
// reason that may pass.
type Retry struct {
	Attempts int           // with the first one; up to 1: none is made again
	Backoff  time.Duration // before the second; it doubles from attempt to attempt
}

// retryCap bounds how far the pause between two attempts grows.
const retryCap = 10 * time.Second

// retry applies the transform again to the records that it has refused, and no others,
// where their errors are not Permanent. The batches of the shard behind this one wait,
// other shards do not. A transform that remembers is not tried again: it takes each
// batch once.
func (st Stage) retry(ctx context.Context, b *pipeline.Batch) error {
	if _, remembers := st.Transform.(pipeline.Ordered); remembers {
		return nil
	}
	pause := st.Retry.Backoff
	for attempt := 2; attempt <= st.Retry.Attempts && st.mayPass(b); attempt++ {
		if err := pipeline.Pause(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, max(retryCap, st.Retry.Backoff))
		if err := st.again(ctx, b); err != nil {
			return err
		}
		for i := range b.Records {
			if r := &b.Records[i]; justRefused(r) {
				r.Failure.Attempts = attempt
			}
		}
	}
	return nil
}

// justRefused tells whether the stage has refused the record, and has not been named for it.
func justRefused(r *pipeline.Record) bool {
	return r.Fate == pipeline.Failed && r.Failure.Stage == ""
}

// mayPass tells whether the stage has refused records that it may take another time. It is
// named for the others: they are not tried again.
func (st Stage) mayPass(b *pipeline.Batch) bool {
	any := false
	for i := range b.Records {
		r := &b.Records[i]
		switch {
		case !justRefused(r):
		case pipeline.ClassOf(r.Failure.Err) == pipeline.Permanent:
			r.Failure.Stage = st.Name
		default:
			any = true
		}
	}
	return any
}

// again applies the transform to the records that it has just refused: the others are
// hidden meanwhile.
func (st Stage) again(ctx context.Context, b *pipeline.Batch) error {
	b.Hide(func(*pipeline.Record) bool { return true })
	defer b.Show()
	for i := range b.Records {
		if r := &b.Records[i]; justRefused(r) {
			r.Fate, r.Failure = pipeline.Deliver, nil
		}
	}
	return st.Transform.Apply(ctx, b)
}
