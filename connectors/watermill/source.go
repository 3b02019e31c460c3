package watermill

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// SourceConfig says what a Source reads.
type SourceConfig struct {
	Topics []string // each is a shard
	// Fill gives a record what the subscriber knows of its message beside payload and
	// metadata: key and time, say. nil: records have no key, and the time they were
	// read. It must not keep either.
	Fill func(r *pipeline.Record, m *message.Message)
}

// Source is a pipeline.Source over any message.Subscriber, at least once. It
// subscribes to each topic once, when it is first read, and stays subscribed until
// Close: what was received and not acknowledged stays in memory, at most as much as
// the engine has under way, and is read again from there after a failure. So order
// is as the subscriber gave it, and records keep their place in this run. Settle
// acknowledges; Close gives back (Nack) the rest.
//
// Positions count the messages of a topic in this run of the source; one that
// another process committed says nothing about them. There is no tail: an engine
// with UntilDrained gets an error of class Permanent.
//
// A subscriber may wait for the acknowledgement of a message before it gives the
// next one, as most do: batches hold one record then. Where it is known to give more
// at once, batches are filled for up to 2 ms.
type Source struct {
	subscriber message.Subscriber
	config     SourceConfig
	life       string // of this run, in positions
	topics     map[string]*topic

	ctx    context.Context // of the subscriptions
	cancel context.CancelFunc
	calls  sync.WaitGroup
	close  sync.Once
	err    error // of the subscriber's Close
}

var _ pipeline.Source = (*Source)(nil)

// NewSource makes a source of a subscriber, which belongs to it from then on: Close
// closes it. Nothing is subscribed to before a Reader waits.
func NewSource(s message.Subscriber, c SourceConfig) *Source {
	source := &Source{subscriber: s, config: c, life: "watermill-" + rand.Text(), topics: map[string]*topic{}}
	source.ctx, source.cancel = context.WithCancel(context.Background())
	for _, name := range c.Topics {
		source.topics[name] = &topic{source: source, name: name}
	}
	return source
}

// Shards names the topics.
func (s *Source) Shards(context.Context) ([]string, error) { return s.config.Topics, nil }

// Open reads a topic on from what is not acknowledged. Readers of a topic must be
// opened one after the other. A committed position of this run is settled.
func (s *Source) Open(_ context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	t, ok := s.topics[req.Shard]
	switch {
	case !ok:
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "there is no topic " + req.Shard}
	case s.ctx.Err() != nil:
		return nil, errClosed
	}
	r := &reader{topic: t, closed: make(chan struct{})}
	if req.From != nil && req.From.Incarnation == s.life {
		if err := t.settle(*req.From); err != nil {
			return nil, err
		}
	}
	r.next = t.settled()
	r.start = t.position(r.next)
	return r, nil
}

// ackPatience is how long Close waits for acknowledgements to get through. One that
// does not makes a message come again.
const ackPatience = time.Second

// Close gives back what is not acknowledged, ends the subscriptions and closes the
// subscriber, whose error it returns. It waits for a Subscribe that is under way, and
// a moment for the subscriber to tell its server what was acknowledged last.
func (s *Source) Close() error {
	s.close.Do(func() {
		patience, stop := context.WithTimeout(context.Background(), ackPatience)
		defer stop()
		for _, t := range s.topics {
			t.acknowledged(patience)
			t.giveBack()
		}
		s.cancel()
		for _, t := range s.topics {
			s.calls.Go(t.drain)
		}
		s.err = s.subscriber.Close()
		s.calls.Wait()
	})
	return s.err
}

// topic is one shard. Its messages are received by one goroutine at a time.
type topic struct {
	source *Source
	name   string

	subscribing *call[<-chan *message.Message] // nil: not subscribed

	mu      sync.Mutex
	held    []*message.Message // received and not acknowledged, in order
	base    uint64             // how many were acknowledged
	several bool               // one came while another was held
	acking  []context.Context  // of the messages that were acknowledged last
}

// messages gives the subscription, and makes it where there is none.
func (t *topic) messages(ctx context.Context, closed <-chan struct{}) (<-chan *message.Message, error) {
	if t.source.ctx.Err() != nil {
		return nil, errClosed
	}
	if t.subscribing == nil {
		t.subscribing = begin(&t.source.calls, "the subscriber", func() (<-chan *message.Message, error) {
			return t.source.subscriber.Subscribe(t.source.ctx, t.name)
		})
	}
	messages, err := t.subscribing.wait(ctx, closed)
	if err == nil || !t.subscribing.over() {
		return messages, err
	}
	if _, err = t.subscribing.wait(context.Background(), nil); err == nil {
		return t.subscribing.value, nil
	}
	t.subscribing = nil
	return nil, &pipeline.Error{Class: pipeline.Unreachable, What: "subscribing to topic " + t.name, Err: err}
}

// take keeps a message that was received, or is an error where the subscription has
// ended: the next one is made anew.
func (t *topic) take(m *message.Message, open bool) error {
	if !open {
		t.subscribing = nil
		return &pipeline.Error{Class: pipeline.Unreachable, What: "the subscriber has ended the subscription to topic " + t.name, Do: "its own log says why; it is made again"}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.several = t.several || len(t.held) > 0
	t.held = append(t.held, m)
	return nil
}

func (t *topic) position(n uint64) pipeline.Position {
	return pipeline.Position{Incarnation: t.source.life, Offset: pipeline.Offset{Minor: n}, Evidence: pipeline.Evidence{Added: n}}
}

func (t *topic) settled() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.base
}

// holds tells whether the messages after the first n are in memory.
func (t *topic) holds(n uint64) error {
	if n >= t.base && n <= t.base+uint64(len(t.held)) {
		return nil
	}
	return &pipeline.Error{Class: pipeline.Gap, What: fmt.Sprintf("topic %s: message %d is not held, only the %d after number %d are", t.name, n, len(t.held), t.base)}
}

// settle acknowledges the messages up to a position.
func (t *topic) settle(p pipeline.Position) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.Offset.Minor <= t.base {
		return nil
	}
	if err := t.holds(p.Offset.Minor); err != nil {
		return err
	}
	n := int(p.Offset.Minor - t.base)
	t.acking = t.acking[:0]
	for _, m := range t.held[:n] {
		m.Ack() // false where the subscription has ended: it comes again
		t.acking = append(t.acking, m.Context())
	}
	clear(t.held[:n])
	t.held, t.base = t.held[n:], p.Offset.Minor
	return nil
}

// acknowledged waits until the subscriber has dealt with the last acknowledgements: it
// ends the context of a message then (message.Subscriber), if it has given it one.
func (t *topic) acknowledged(patience context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.acking {
		if m.Done() == nil {
			continue
		}
		select {
		case <-m.Done():
		case <-patience.Done():
			return
		}
	}
}

// giveBack lets the subscriber have what is held.
func (t *topic) giveBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.held {
		m.Nack()
	}
	t.held = nil
}

// drain gives back what a subscription that ends still sends: the subscriber closes
// the channel (message.Subscriber).
func (t *topic) drain() {
	if t.subscribing == nil {
		return
	}
	<-t.subscribing.done
	if t.subscribing.err != nil {
		return
	}
	for m := range t.subscribing.value {
		m.Nack()
	}
}
