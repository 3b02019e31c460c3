package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/penstock-io/penstock/pipeline"
)

// takeLater takes in the background; the channel gives what came of it.
func takeLater(w *window, share *room, n int) (<-chan *carried, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan *carried, 1)
	go func() {
		c, err := w.take(ctx, share, n)
		if errors.Is(err, context.Canceled) {
			c = nil
		}
		out <- c
	}()
	synctest.Wait()
	return out, cancel
}

func took(out <-chan *carried) *carried {
	synctest.Wait()
	select {
	case c := <-out:
		return c
	default:
		return nil
	}
}

func TestNothingIsReadBesideALargeRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		crowded := 0
		w := newWindow(Window{Batches: 4, Bytes: 100}, func() { crowded++ })
		a, b := w.share(Window{4, 100}), w.share(Window{4, 100})
		large, _ := takeLater(w, a, 40)
		c := took(large)
		c.batch.Bytes = 500
		w.fit(c)
		next, _ := takeLater(w, b, 40)
		if took(next) != nil || crowded != 1 || w.waiting.Load() != 1 {
			t.Errorf("a batch was taken beside one of 500 bytes; crowded %d times", crowded)
		}
		w.give(c)
		if n := took(next); n == nil || w.waiting.Load() != 0 {
			t.Error("nothing is taken after it")
		} else {
			n.batch.Bytes = 10
			w.fit(n)
			w.give(n)
		}
		if !w.empty() || w.all.used != (Window{}) || a.used != (Window{}) || b.used != (Window{}) {
			t.Errorf("left: %+v, %+v, %+v", w.all.used, a.used, b.used)
		}
	})
}

func TestShareLeavesRoomForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		size := Window{Batches: 4, Bytes: 1000}
		w := newWindow(size, func() {})
		hung, other := w.share(size.half()), w.share(size.half())
		for range 2 {
			if c, _ := takeLater(w, hung, 10); took(c) == nil {
				t.Fatal("no room in the share")
			}
		}
		third, giveUp := takeLater(w, hung, 10)
		if took(third) != nil {
			t.Error("a shard took more than its share")
		}
		if c, _ := takeLater(w, other, 10); took(c) == nil {
			t.Error("another shard found no room")
		}
		giveUp()
		if synctest.Wait(); w.all.used.Batches != 3 || w.waiting.Load() != 0 {
			t.Errorf("after one gave up: %+v, %d wait", w.all.used, w.waiting.Load())
		}
		hung.resize(size)
		if c, _ := takeLater(w, hung, 10); took(c) == nil {
			t.Error("no room in a share that has grown")
		}
	})
}

func TestBatchesAreReusedAndEmpty(t *testing.T) {
	w := newWindow(Window{2, 100}, func() {})
	share := w.share(Window{2, 100})
	c, err := w.take(t.Context(), share, 10)
	if err != nil {
		t.Fatal(err)
	}
	first := c.batch
	first.Add().Key = []byte("k")
	first.After = pipeline.Position{Incarnation: "x"}
	w.give(c)
	if c, err = w.take(t.Context(), share, 10); err != nil || c.batch != first || len(first.Records) > 0 || first.After != (pipeline.Position{}) {
		t.Errorf("%v, %+v", err, c.batch)
	}
}

// Watermill logs messages, so there must be nothing in them.
func TestMessagesHoldNoPayload(t *testing.T) {
	c := &carried{batch: &pipeline.Batch{}, gen: newGeneration(t.Context(), 1, false)}
	c.batch.Add().Value = pipeline.RawValue([]byte("SECRET"))
	msg := c.message()
	if len(msg.Payload) > 0 || len(msg.Metadata) > 0 || carriedIn(msg) != c {
		t.Errorf("%q, %v", msg.Payload, msg.Metadata)
	}
}

func TestBackoffDoublesToItsCap(t *testing.T) {
	b := newBackoff()
	for _, want := range []int{50, 100, 200, 400, 800, 1600, 2000, 2000} {
		got := int(b.next().Milliseconds())
		if got < want || got > want+want/4 {
			t.Errorf("%d ms, want %d and a little", got, want)
		}
	}
}
