package kafka

import (
	"context"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kgo"
)

// assigned is a partition for as long as a subscription reads it. One goroutine, run,
// hands its messages out in order. Where more than one may be under way, each has another
// goroutine, that waits for its Ack.
type assigned struct {
	sub       *subscription
	partition int32
	batches   chan []*kgo.Record // fetched, and not taken by run
	ctx       context.Context    // ends with the assignment: messages are taken away
	cancel    context.CancelFunc
	ending    chan struct{} // closed when no more messages are handed out
	endOnce   sync.Once
	ended     chan struct{}  // closed when nothing of the assignment runs
	handedOut sync.WaitGroup // messages
	slots     chan struct{}  // one for each message of the window

	mu     sync.Mutex
	paused bool
	window []*handed // handed out, from the oldest that is not acknowledged on
}

// handed is a record that was handed out.
type handed struct {
	record *kgo.Record
	acked  bool
}

// newAssigned makes one and starts its goroutine; stop ends it.
func newAssigned(s *subscription, partition int32) *assigned {
	c := &assigned{
		sub: s, partition: partition, batches: make(chan []*kgo.Record, 1),
		ending: make(chan struct{}), ended: make(chan struct{}), slots: make(chan struct{}, s.config.InFlight),
	}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	go c.run()
	return c
}

// give hands records to the assignment. It does not wait, unless more come than were
// let in.
func (c *assigned) give(records []*kgo.Record) {
	if len(records) == 0 {
		return
	}
	select {
	case c.batches <- records:
	case <-c.ctx.Done():
	}
}

func (c *assigned) isFull() bool { return len(c.batches) == cap(c.batches) }

// pauseIfFull stops the fetching of the partition, where the assignment has not taken
// what it was given last.
func (c *assigned) pauseIfFull() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isFull() {
		c.paused = true
		c.sub.client.PauseFetchPartitions(c.asMap())
	}
}

// resume lets the partition be fetched again, where it is paused.
func (c *assigned) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paused {
		c.paused = false
		c.sub.client.ResumeFetchPartitions(c.asMap())
	}
}

func (c *assigned) asMap() map[string][]int32 { return map[string][]int32{c.sub.topic: {c.partition}} }

// end lets no more messages out.
func (c *assigned) end() { c.endOnce.Do(func() { close(c.ending) }) }

// stop ends the assignment, and waits for its goroutines: for as long as patience for
// messages to be acknowledged, then it takes them away.
func (c *assigned) stop(patience time.Duration) {
	c.end()
	timer := time.AfterFunc(patience, c.cancel)
	<-c.ended
	timer.Stop()
	c.cancel()
	c.resume() // it stays paused in the client otherwise, also when it comes back
}

// run hands out what is given, until the assignment ends.
func (c *assigned) run() {
	defer close(c.ended)
	defer c.handedOut.Wait()
	for {
		select {
		case batch := <-c.batches:
			c.resume()
			select {
			case c.sub.taken <- struct{}{}:
			default:
			}
			for _, r := range batch {
				if !c.handOut(r) {
					return
				}
			}
		case <-c.ending:
			return
		case <-c.ctx.Done():
			return
		}
	}
}

// handOut hands out one record, when there is room in the window; false when the
// assignment ends.
func (c *assigned) handOut(r *kgo.Record) bool {
	select {
	case c.slots <- struct{}{}:
	case <-c.ending:
		return false
	case <-c.ctx.Done():
		return false
	}
	h := &handed{record: r}
	c.mu.Lock()
	c.window = append(c.window, h)
	c.mu.Unlock()
	msg, cancel := c.deliver(r)
	if msg == nil {
		return false
	}
	if cap(c.slots) == 1 { // nothing to do beside it
		c.await(h, msg, cancel)
	} else {
		c.handedOut.Go(func() { c.await(h, msg, cancel) })
	}
	return true
}

// deliver hands a message to whoever has subscribed; nil when the assignment ends.
func (c *assigned) deliver(r *kgo.Record) (*message.Message, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.ctx)
	msg := unmarshal(ctx, r)
	select {
	case c.sub.output <- msg:
		return msg, cancel
	case <-c.ending:
	case <-c.ctx.Done():
	}
	cancel()
	return nil, nil
}

// await waits for the Ack of a message, and delivers it again after each Nack.
func (c *assigned) await(h *handed, msg *message.Message, cancel context.CancelFunc) {
	for msg != nil {
		select {
		case <-msg.Acked():
			cancel()
			c.settle(h)
			return
		case <-msg.Nacked():
			cancel()
			if !c.sleep(c.sub.config.NackResendSleep) {
				return
			}
			msg, cancel = c.deliver(h.record)
		case <-c.ctx.Done():
			cancel()
			select {
			case <-msg.Acked(): // before it was taken away, for all that is known
				c.settle(h)
			default:
			}
			return
		}
	}
}

// sleep is false where the assignment ends first.
func (c *assigned) sleep(d time.Duration) bool {
	if d < 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.ending:
	case <-c.ctx.Done():
	}
	return false
}

// settle notes an Ack, and marks up to where all is acknowledged to be committed.
func (c *assigned) settle(h *handed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.acked = true
	n := 0
	for n < len(c.window) && c.window[n].acked {
		n++
	}
	if n == 0 {
		return
	}
	c.sub.client.MarkCommitRecords(c.window[n-1].record)
	c.window = append(c.window[:0], c.window[n:]...)
	for range n {
		<-c.slots
	}
}
