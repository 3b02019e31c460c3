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

	mu     sync.RWMutex // held for reading while messages are written
	closed bool
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
	return &Publisher{config: config}, nil
}

func invalid(what, do string) error {
	return &pipeline.Error{Class: pipeline.Permanent, What: what, Do: do}
}

// What one transaction of Publish may hold: Redis does nothing else meanwhile.
const (
	publishMessages = 1000
	publishBytes    = 4 << 20
)

var errPublisherClosed = errors.New("the Publisher is closed")

// Publish adds the messages to the stream of the topic, in order, and returns when
// Redis has them. Several go in one round trip, all or none; more than 1000, or
// more than 4 MiB, in several, of which the first that fails is the last.
//
// An error does not mean that nothing was written: the answer may be what was lost.
// Who publishes again may publish twice, and so does go-redis, unless the Client's
// MaxRetries is -1. The context of the first message bounds the waiting, where the
// Client's ContextTimeoutEnabled is set; one that has ended writes nothing. Errors:
// Unreachable, Retryable (a Redis out of memory, say), Permanent (the key is no
// stream, a message's metadata hold what is reserved); none of them retries itself.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return errPublisherClosed
	}
	for len(messages) > 0 {
		n, err := p.publish(topic, messages)
		if err != nil {
			return classify("Redis", "publishing to "+topic, err)
		}
		messages = messages[n:]
	}
	return nil
}

// publish writes the first messages, and gives how many.
func (p *Publisher) publish(topic string, messages []*message.Message) (n int, err error) {
	var adds []*redis.XAddArgs
	for bytes := 0; n < len(messages) && n < publishMessages && bytes < publishBytes; n++ {
		if err := messages[n].Context().Err(); err != nil {
			return 0, err
		}
		fields, err := entryOf(messages[n])
		if err != nil {
			return 0, &pipeline.Error{Class: pipeline.Permanent, What: "message " + messages[n].UUID + " for " + topic, Err: err}
		}
		adds = append(adds, &redis.XAddArgs{Stream: topic, Values: fields, MaxLen: p.config.MaxLen, Approx: true})
		bytes += len(messages[n].Payload)
	}
	ctx := messages[0].Context()
	if n == 1 {
		return n, p.config.Client.XAdd(ctx, adds[0]).Err()
	}
	return n, addAll(ctx, p.config.Client, adds)
}

// addAll adds entries to one stream, all or none.
func addAll(ctx context.Context, client redis.UniversalClient, adds []*redis.XAddArgs) error {
	_, err := client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		for _, add := range adds {
			tx.XAdd(ctx, add)
		}
		return nil
	})
	return err
}

// Close waits until what is being published is written, or has failed. It may be
// called more than once; its error is always nil. The Client stays open.
func (p *Publisher) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}
