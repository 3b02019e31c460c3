package movers

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
)

// commitEvery is how often a pipelined loop ends its transaction.
const commitEvery = 50 * time.Millisecond

// batch is what one Watermill message carries.
type batch struct {
	ticket   int // 0, 1, 2… in the order of the source
	events   [][]byte
	position string // after the last event
	span     span   // of a list: what to trim once it is committed
}

type batchKey struct{}

// pipelined is an exactly-once loop of which reading, enqueuing and committing
// overlap, in a Watermill router. It is the router's subscriber and publisher.
//
// The router starts a goroutine a message, so batches arrive at Publish in any
// order: each waits there for its ticket.
type pipelined struct {
	job    Job
	read   func(context.Context) (*batch, error)
	settle func(span) // called after each commit; nil: nothing to clean up
	sink   *transactor
	stop   func() // ends the router
	window chan struct{}
	reader sync.WaitGroup

	turn     sync.Mutex // held while enqueuing, and from Flush to Begin
	moved    sync.Cond  // next or failed has changed
	next     int        // ticket that may be enqueued
	enqueued int        // events, ever
	waiting  int        // events that are not committed
	position string
	span     span // of the events that are not committed
	failed   error
}

// movePipelined runs the loop until the job's events are committed and settled.
func movePipelined(ctx context.Context, job Job, read func(context.Context) (*batch, error), settle func(span)) error {
	sink, err := newTransactor(ctx, job)
	if err != nil {
		return err
	}
	defer sink.close()
	router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
	if err != nil {
		return fmt.Errorf("router: %w", err)
	}
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &pipelined{
		job: job, read: read, settle: settle, sink: sink, stop: cancel,
		window: make(chan struct{}, batchesInFlight),
	}
	p.moved.L = &p.turn
	router.AddHandler("pipelined", job.Key, p, job.Topic, p, message.PassthroughHandler)

	var committer sync.WaitGroup
	committer.Go(func() { p.commitUntilDone(running) })
	err = router.Run(running)
	cancel()
	committer.Wait()
	p.reader.Wait()
	return errors.Join(err, p.outcome())
}

// outcome is nil when everything was moved.
func (p *pipelined) outcome() error {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.failed == nil && p.enqueued-p.waiting < p.job.Events {
		return fmt.Errorf("stopped with %d of %d events committed", p.enqueued-p.waiting, p.job.Events)
	}
	return p.failed
}

// Subscribe starts reading ahead of the sink. It is part of message.Subscriber.
func (p *pipelined) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	messages := make(chan *message.Message)
	p.reader.Go(func() {
		defer close(messages)
		for ticket, left := 0, p.job.Events; left > 0; ticket++ {
			select {
			case p.window <- struct{}{}:
			case <-ctx.Done():
				return
			}
			b, err := p.read(ctx)
			if err != nil {
				p.fail(err)
				return
			}
			b.ticket = ticket
			left -= len(b.events)
			m := message.NewMessage(strconv.Itoa(ticket), nil)
			m.SetContext(context.WithValue(ctx, batchKey{}, b))
			select {
			case messages <- m:
			case <-ctx.Done():
				return
			}
		}
		<-ctx.Done()
	})
	return messages, nil
}

// Publish enqueues the batch of each message in its turn. It is part of
// message.Publisher.
func (p *pipelined) Publish(_ string, messages ...*message.Message) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	for _, m := range messages {
		b, ok := m.Context().Value(batchKey{}).(*batch)
		if !ok {
			return errors.New("a message without a batch")
		}
		for p.next != b.ticket && p.failed == nil {
			p.moved.Wait()
		}
		if p.failed != nil {
			return p.failed
		}
		for _, event := range b.events {
			p.sink.write(context.Background(), event)
		}
		p.next++
		p.enqueued += len(b.events)
		p.waiting += len(b.events)
		p.position = b.position
		p.span.join(b.span)
		p.moved.Broadcast()
		<-p.window
	}
	return nil
}

// Close is part of message.Subscriber and message.Publisher. movePipelined
// closes what there is.
func (p *pipelined) Close() error { return nil }

func (p *pipelined) commitUntilDone(ctx context.Context) {
	tick := time.NewTicker(commitEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.fail(ctx.Err())
			return
		}
		done, err := p.commit(ctx)
		if err != nil {
			p.fail(err)
			return
		}
		if done {
			p.stop()
			return
		}
	}
}

// commit ends the transaction if there is something in it, settles it, and tells
// whether that was all.
func (p *pipelined) commit(ctx context.Context) (done bool, err error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.waiting == 0 {
		return false, nil
	}
	if err := p.sink.commit(ctx, p.position); err != nil {
		return false, err
	}
	if p.settle != nil {
		p.settle(p.span)
	}
	p.waiting, p.span = 0, span{}
	return p.enqueued >= p.job.Events, nil
}

// fail stops everything with the first error.
func (p *pipelined) fail(err error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	if p.failed == nil {
		p.failed = err
	}
	p.moved.Broadcast()
	p.stop()
}
