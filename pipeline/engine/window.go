package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/penstock-io/penstock/pipeline"
)

// Window bounds what is between Read and Commit.
type Window struct {
	Batches int
	Bytes   int
}

// half is the share of one shard among others.
func (w Window) half() Window { return Window{max(w.Batches/2, 1), max(w.Bytes/2, 1)} }

// window hands out batches, and counts what they hold. A batch that is read
// reserves the largest size a batch may have and gives back what it does not
// need. A record above that size is let through, and nothing is read beside it
// that does not fit beside it.
type window struct {
	all     *room
	waiting atomic.Int64 // takes that find no room
	crowded func()       // called when a take begins to wait

	mu   sync.Mutex
	free []*pipeline.Batch // kept for their memory, the last used last
}

func newWindow(size Window, crowded func()) *window {
	w := &window{crowded: crowded}
	w.all = w.share(size)
	return w
}

// share makes a room for a part of the window.
func (w *window) share(size Window) *room {
	return &room{window: w, size: size, door: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
}

// take waits for room for a batch of up to n bytes, in a share and in the whole
// window, and gives an empty one.
func (w *window) take(ctx context.Context, share *room, n int) (*carried, error) {
	if err := share.take(ctx, n); err != nil {
		return nil, err
	}
	if err := w.all.take(ctx, n); err != nil {
		share.change(-1, -n)
		return nil, err
	}
	return &carried{batch: w.batch(), share: share, reserved: n}, nil
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

// recordSize is what a record that a transform has added holds beside its bytes.
const recordSize = int(unsafe.Sizeof(pipeline.Record{}))

// fit makes what a batch has reserved what it holds. A batch that has grown on its
// way is let through; nothing more is read until there is room again.
func (w *window) fit(c *carried) {
	size := max(c.batch.Bytes, c.batch.Arena.Size()) + max(0, len(c.batch.Records)-c.batch.Read)*recordSize
	more := size - c.reserved
	c.reserved = size
	c.share.change(0, more)
	w.all.change(0, more)
}

// give takes a batch back.
func (w *window) give(c *carried) {
	c.batch.Reset()
	w.mu.Lock()
	w.free = append(w.free, c.batch)
	w.mu.Unlock()
	c.share.change(-1, -c.reserved)
	w.all.change(-1, -c.reserved)
}

// empty tells whether nothing is between Read and Commit.
func (w *window) empty() bool {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	return w.all.used.Batches == 0
}

// room has place for some batches and bytes. Those who find none wait at the
// door, in the order they came.
type room struct {
	window *window
	door   chan struct{}
	freed  chan struct{} // there is more place

	mu   sync.Mutex
	size Window
	used Window
}

func (r *room) take(ctx context.Context, n int) error {
	select {
	case r.door <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.door }()
	if r.reserve(n) {
		return nil
	}
	r.window.waiting.Add(1)
	defer r.window.waiting.Add(-1)
	r.window.crowded()
	for {
		select {
		case <-r.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
		if r.reserve(n) {
			return nil
		}
	}
}

// reserve takes the place of a batch of n bytes, if there is any. The only one
// in a room may be larger than the room.
func (r *room) reserve(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used.Batches > 0 && (r.used.Batches >= r.size.Batches || r.used.Bytes+n > r.size.Bytes) {
		return false
	}
	r.used.Batches++
	r.used.Bytes += n
	return true
}

// change adds to what is used.
func (r *room) change(batches, bytes int) {
	r.mu.Lock()
	r.used.Batches += batches
	r.used.Bytes += bytes
	r.mu.Unlock()
	wake(r.freed)
}

// resize changes the size for those who come.
func (r *room) resize(size Window) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.size = size
}
