package engine

import (
	"context"

	"golang.org/x/sync/semaphore"

	"github.com/penstock-io/penstock/pipeline"
)

// Window bounds what is between Read and Commit.
type Window struct {
	Batches int
	Bytes   int
}

// window hands out batches, and counts what they hold. A batch that is read
// reserves the largest size a batch may have and gives back what it does not
// need; one record above that size is let through, alone.
type window struct {
	batches *semaphore.Weighted
	bytes   *semaphore.Weighted
	total   int64
	free    chan *pipeline.Batch // kept for their memory
}

func newWindow(w Window) *window {
	return &window{
		batches: semaphore.NewWeighted(int64(w.Batches)), bytes: semaphore.NewWeighted(int64(w.Bytes)),
		total: int64(w.Bytes), free: make(chan *pipeline.Batch, w.Batches),
	}
}

// take waits for room for a batch of up to n bytes and gives an empty one.
func (w *window) take(ctx context.Context, n int) (*carried, error) {
	if err := w.batches.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	reserved := min(int64(n), w.total)
	if err := w.bytes.Acquire(ctx, reserved); err != nil {
		w.batches.Release(1)
		return nil, err
	}
	select {
	case b := <-w.free:
		return &carried{batch: b, reserved: reserved}, nil
	default:
		return &carried{batch: &pipeline.Batch{}, reserved: reserved}, nil
	}
}

// shrink gives back what a batch has reserved and does not hold.
func (w *window) shrink(c *carried) {
	if held := int64(c.batch.Bytes); held < c.reserved {
		w.bytes.Release(c.reserved - held)
		c.reserved = held
	}
}

// give takes a batch back.
func (w *window) give(c *carried) {
	w.bytes.Release(c.reserved)
	c.batch.Reset()
	select {
	case w.free <- c.batch:
	default:
	}
	w.batches.Release(1)
}
