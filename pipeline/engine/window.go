package engine

import (
	"context"
	"sync"

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

	mu   sync.Mutex
	free []*pipeline.Batch // kept for their memory, the last used last
}

func newWindow(w Window) *window {
	return &window{
		batches: semaphore.NewWeighted(int64(w.Batches)), bytes: semaphore.NewWeighted(int64(w.Bytes)),
		total: int64(w.Bytes),
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
	return &carried{batch: w.batch(), reserved: reserved}, nil
}

// batch gives an empty batch: the one that was used last, since its memory is
// warm.
func (w *window) batch() *pipeline.Batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := len(w.free) - 1
	if last < 0 {
		return &pipeline.Batch{}
	}
	b := w.free[last]
	w.free[last], w.free = nil, w.free[:last]
	return b
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
	w.mu.Lock()
	w.free = append(w.free, c.batch)
	w.mu.Unlock()
	w.batches.Release(1)
}
