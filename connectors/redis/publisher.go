package redis

import (
	"context"
	"errors"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// PublisherConfig says where a Publisher writes.
type PublisherConfig struct {
	// Client reaches Redis: a single server, Sentinel or Cluster. Who made it
	// closes it, after the Publisher.
	Client redis.UniversalClient
	// MaxLen is about how many entries a stream keeps: the oldest are removed as
	// new ones come, read or not (XADD MAXLEN ~). 0: all.
	MaxLen int64
}

// Publisher writes messages to Redis streams; a topic is a stream's key. It is a
// Watermill message.Publisher, and writes what watermill-redisstream's Publisher
// writes.
type Publisher struct {
	config PublisherConfig

	closing sync.RWMutex // held for reading while messages are written
	closed  bool

	mu     sync.Mutex
	queues map[string][]*call // by topic: those that wait, while one writes
}

var _ message.Publisher = (*Publisher)(nil)

// NewPublisher makes a Publisher. It connects to nobody yet. Errors: Permanent, of
// the config.
func NewPublisher(config PublisherConfig) (*Publisher, error) {
	switch {
	case config.Client == nil:
		return nil, invalid("the Publisher has no Client", "give it one of go-redis")
	case config.MaxLen < 0:
		return nil, invalid("the Publisher's MaxLen is less than nothing", "0 keeps all")
	}
	return &Publisher{config: config, queues: map[string][]*call{}}, nil
}

func invalid(what, do string) error {
	return &pipeline.Error{Class: pipeline.Permanent, What: what, Do: do}
}

// What one transaction may hold: Redis does nothing else meanwhile.
const (
	publishMessages = 1000
	publishBytes    = 4 << 20
)

var errPublisherClosed = errors.New("the Publisher is closed")

// Publish adds the messages to the stream of the topic, in order, and returns when
// Redis has them. Several go in one round trip, all or none; more than 1000, or
// more than 4 MiB, in several, of which the first that fails is the last. Calls that
// come while another one to the same topic is written go together in the next
// round trip.
//
// An error does not mean that nothing was written: the answer may be what was lost.
// Who publishes again may publish twice, and so does go-redis, unless the Client's
// MaxRetries is -1. A message whose context has ended is not written; what is being
// written the Client's time-outs bound. Errors: Unreachable, Retryable (a Redis out of
// memory, say), Permanent (the key is no stream, a message's metadata hold what is
// reserved), or that of a context.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	p.closing.RLock()
	defer p.closing.RUnlock()
	if p.closed {
		return errPublisherClosed
	}
	for len(messages) > 0 {
		c, err := p.callOf(topic, messages)
		if err == nil {
			err = p.write(messages[0].Context(), topic, c)
		}
		if err != nil {
			return classify("Redis", "publishing to "+topic, err)
		}
		messages = messages[len(c.adds):]
	}
	return nil
}

// call is what one call of Publish writes at a time.
type call struct {
	adds  []*redis.XAddArgs
	bytes int
	turn  chan bool // of one that waits; true: it writes, for those after it too; false: it was written
	err   error     // where it was written by another one
}

// callOf makes a call of the first messages.
func (p *Publisher) callOf(topic string, messages []*message.Message) (*call, error) {
	c := &call{}
	for _, m := range messages {
		if len(c.adds) == publishMessages || c.bytes > publishBytes {
			break
		}
		if err := m.Context().Err(); err != nil {
			return nil, err
		}
		fields, err := entryOf(m)
		if err != nil {
			return nil, &pipeline.Error{Class: pipeline.Permanent, What: "message " + m.UUID + " for " + topic, Err: err}
		}
		c.adds = append(c.adds, &redis.XAddArgs{Stream: topic, Values: fields, MaxLen: p.config.MaxLen, Approx: true})
		c.bytes += len(m.Payload)
	}
	return c, nil
}

// write writes a call, or lets another one to the topic write it.
func (p *Publisher) write(ctx context.Context, topic string, c *call) error {
	if !p.join(topic, c) && !<-c.turn {
		return c.err
	}
	calls := p.take(topic)
	if len(calls) > 1 {
		ctx = context.WithoutCancel(ctx) // the others did not ask for its end
	}
	err := p.add(ctx, calls)
	p.passOn(topic)
	for _, other := range calls[1:] {
		other.err = err
		other.turn <- false
	}
	return err
}

// join puts a call in the topic's queue; true: nobody writes there.
func (p *Publisher) join(topic string, c *call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue, busy := p.queues[topic]
	if busy {
		c.turn = make(chan bool, 1)
	}
	p.queues[topic] = append(queue, c)
	return !busy
}

// take takes the calls that go together. The first is the one that writes.
func (p *Publisher) take(topic string) []*call {
	p.mu.Lock()
	defer p.mu.Unlock()
	queue := p.queues[topic]
	n, messages, bytes := 0, 0, 0
	for n < len(queue) && (n == 0 || messages+len(queue[n].adds) <= publishMessages && bytes+queue[n].bytes <= publishBytes) {
		messages += len(queue[n].adds)
		bytes += queue[n].bytes
		n++
	}
	p.queues[topic] = queue[n:]
	return queue[:n]
}

// passOn lets the next call of the topic write.
func (p *Publisher) passOn(topic string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if queue := p.queues[topic]; len(queue) > 0 {
		queue[0].turn <- true
		return
	}
	delete(p.queues, topic)
}

// add adds the entries of calls to one stream, all or none
// (https://redis.io/docs/latest/commands/xadd/).
func (p *Publisher) add(ctx context.Context, calls []*call) error {
	if len(calls) == 1 && len(calls[0].adds) == 1 {
		return p.config.Client.XAdd(ctx, calls[0].adds[0]).Err()
	}
	_, err := p.config.Client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		for _, c := range calls {
			for _, add := range c.adds {
				tx.XAdd(ctx, add)
			}
		}
		return nil
	})
	return err
}

// Close waits until what is being published is written, or has failed. It may be
// called more than once; its error is always nil. The Client stays open.
func (p *Publisher) Close() error {
	p.closing.Lock()
	defer p.closing.Unlock()
	p.closed = true
	return nil
}
