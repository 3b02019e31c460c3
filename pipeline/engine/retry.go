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
	for attempt := 2; attempt <= st.Retry.Attempts; attempt++ {
		refused := passing(b)
		if len(refused) == 0 {
			return nil
		}
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
		pause = min(2*pause, max(retryCap, st.Retry.Backoff))
		if err := st.applyTo(ctx, b, refused); err != nil {
			return err
		}
		for _, i := range refused {
			if r := &b.Records[i]; r.Fate == pipeline.Failed {
				r.Failure.Attempts = attempt
			}
		}
	}
	return nil
}

// passing gives the records that the stage has just refused, and that it may take
// another time.
func passing(b *pipeline.Batch) []int {
	var refused []int
	for i := range b.Records {
		r := &b.Records[i]
		if r.Fate == pipeline.Failed && r.Failure.Stage == "" && pipeline.ClassOf(r.Failure.Err) != pipeline.Permanent {
			refused = append(refused, i)
		}
	}
	return refused
}

// applyTo applies the transform to some records of the batch: the others are not live
// meanwhile.
func (st Stage) applyTo(ctx context.Context, b *pipeline.Batch, some []int) error {
	var hidden []int
	for i := range b.Records {
		if b.Records[i].Fate == pipeline.Deliver {
			b.Records[i].Fate = pipeline.Filtered
			hidden = append(hidden, i)
		}
	}
	for _, i := range some {
		b.Records[i].Fate, b.Records[i].Failure = pipeline.Deliver, nil
	}
	err := st.Transform.Apply(ctx, b)
	for _, i := range hidden {
		b.Records[i].Fate = pipeline.Deliver
	}
	return err
}
