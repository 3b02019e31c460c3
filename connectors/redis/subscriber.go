package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
)

// SubscriberConfig says what a Subscriber reads, and how.
type SubscriberConfig struct {
	// Client reaches Redis: a single server, Sentinel or Cluster. Who made it
	// closes it, after the Subscriber. Each subscription holds one of its
	// connections while it waits: PoolSize must leave some for the others.
	Client redis.UniversalClient
	// Group is the consumer group whose members share the messages of a topic.
	// Empty: every subscription is handed all of them, and nothing is acknowledged
	// in Redis.
	Group string
	// Consumer is the name in the group; each process needs its own. A second
	// subscription to the same topic is called Consumer#2, and so on. Empty: a new
	// name for each subscription, which leaves the group when it ends and holds
	// nothing.
	Consumer string
	// Start is where a group that is missing begins, or, without a group, each
	// subscription: oldest, newest, or after an entry's id. Empty: oldest for a
	// group, newest without one.
	Start string
	// MaxInFlight is how many messages of a subscription may be handed out and
	// neither acked nor nacked. 0 is 1: the next one comes when the last one is
	// acked, in the order of the stream. With more they are handed out in that order,
	// except those that come again.
	MaxInFlight int
	// ClaimIdle is after how long a member of the group takes over what another was
	// handed and has not acked: longer than a message may take. 0: 1m.
	ClaimIdle time.Duration
	// NackDelay is how long after a Nack the message comes again. 0: at once.
	NackDelay time.Duration
	// Logger is told what nobody is there to return to: errors of reading, and
	// entries that are no messages. nil: nobody is told.
	Logger watermill.LoggerAdapter
}

// validate finds what is wrong, and fills in defaults.
func (c *SubscriberConfig) validate() error {
	if c.MaxInFlight == 0 {
		c.MaxInFlight = 1
	}
	if c.ClaimIdle == 0 {
		c.ClaimIdle = time.Minute
	}
	if c.Logger == nil {
		c.Logger = watermill.NopLogger{}
	}
	switch c.Start {
	case "":
		c.Start = map[bool]string{true: "0", false: "$"}[c.Group != ""]
	case "oldest":
		c.Start = "0"
	case "newest":
		c.Start = "$"
	default:
		if _, ok := parseID([]byte(c.Start)); !ok {
			return invalid("the Subscriber's Start is neither oldest, newest nor an entry's id", "write an id like 1700000000000-0")
		}
	}
	switch {
	case c.Client == nil:
		return invalid("the Subscriber has no Client", "give it one of go-redis")
	case c.MaxInFlight < 0 || c.NackDelay < 0:
		return invalid("the Subscriber's MaxInFlight or NackDelay is less than nothing", "0 is the default")
	case c.ClaimIdle < time.Millisecond:
		return invalid("the Subscriber's ClaimIdle is less than a millisecond", "give it more than a message takes")
	case c.Consumer != "" && c.Group == "":
		return invalid("the Subscriber has a Consumer and no Group", "leave Consumer out, or name the Group")
	}
	return nil
}

// Subscriber reads messages from Redis streams; a topic is a stream's key. It is a
// Watermill message.Subscriber, reads what watermill-redisstream's Publisher writes,
// and shares groups with its Subscriber. Redis 6.2 or later.
//
// Delivery is at least once in a group. What was handed out and not acked comes
// again: to the same subscription when it is nacked or a connection is lost, to
// another member of the group after ClaimIdle, and at once what a subscription that
// ends had not handed out yet. Order is that of the stream for a group's only
// subscription, with MaxInFlight 1, as long as nothing is claimed.
//
// A subscription reads ahead what is worked off in about 0.1 s, at most 1000
// messages or 4 MiB, twice; a slow handler gets one message after the other. Nothing
// is handed out that was read longer than half of ClaimIdle ago.
//
// An entry that is no Watermill message is logged and passed over; in a group it stays
// pending. A group that is gone is made again where it had acked all,
// a few seconds before at most.
type Subscriber struct {
	config SubscriberConfig

	mu      sync.Mutex
	closed  bool
	running map[*subscription]bool
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

// NewSubscriber makes a Subscriber. It connects to nobody yet. Errors: Permanent, of
// the config.
func NewSubscriber(config SubscriberConfig) (*Subscriber, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	return &Subscriber{config: config, running: map[*subscription]bool{}}, nil
}

var errSubscriberClosed = errors.New("the Subscriber is closed")

// SubscribeInitialize makes the group of the topic, and the stream, where they are
// missing: what is published from then on waits for the group's members. Without a
// group there is nothing to make. Errors: classed.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	return s.initialize(context.Background(), topic)
}

func (s *Subscriber) initialize(ctx context.Context, topic string) error {
	if s.config.Group == "" {
		return nil
	}
	return classify("Redis", "making group "+s.config.Group+" of "+topic, makeGroup(ctx, s.config.Client, topic, s.config.Group, s.config.Start))
}

// makeGroup makes a group, and its stream, where they are missing
// (https://redis.io/docs/latest/commands/xgroup-create/).
func makeGroup(ctx context.Context, client redis.UniversalClient, key, group, start string) error {
	err := client.XGroupCreateMkStream(ctx, key, group, start).Err()
	if err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return nil
	}
	return err
}

// Subscribe begins to read the topic, once the group is there. When ctx ends or the
// Subscriber is closed, no more messages come and acks have no effect any more; then
// the channel is closed, as the last thing. Each message has a context of its own below
// ctx, which ends when the message is acked or nacked. Errors: classed, of making the
// group or finding the start.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	if err := s.initialize(ctx, topic); err != nil {
		return nil, err
	}
	sub := newSubscription(s.config, topic)
	if s.config.Group == "" {
		if err := sub.begin(ctx); err != nil {
			return nil, classify("Redis", "looking for the end of "+topic, err)
		}
	}
	ctx, sub.cancel = context.WithCancel(ctx)
	if err := s.add(sub); err != nil {
		sub.cancel()
		return nil, err
	}
	go func() {
		defer close(sub.ended)
		sub.run(ctx)
		s.remove(sub)
		close(sub.out)
	}()
	return sub.out, nil
}

// add takes a subscription in, and names its consumer.
func (s *Subscriber) add(sub *subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errSubscriberClosed
	}
	sub.consumer = s.config.Consumer
	if sub.consumer == "" {
		sub.consumer = watermill.NewShortUUID()
	}
	for n := 2; s.has(sub.topic, sub.consumer); n++ {
		sub.consumer = fmt.Sprintf("%s#%d", s.config.Consumer, n)
	}
	sub.own = func(consumer string) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.has(sub.topic, consumer)
	}
	s.running[sub] = true
	return nil
}

// has tells whether a subscription to the topic reads as the consumer. s.mu is held.
func (s *Subscriber) has(topic, consumer string) bool {
	for sub := range s.running {
		if sub.topic == topic && sub.consumer == consumer {
			return true
		}
	}
	return false
}

func (s *Subscriber) remove(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, sub)
}

// Close ends all subscriptions and waits for them: their channels are closed, and what
// was acked is acknowledged in Redis, or has failed to be. That takes up to 0.1 s, for
// reads that wait in Redis; longer where Redis does not answer, as the Client's
// time-outs say. It may be called more than once; its error is always nil. The Client
// stays open.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.closed = true
	var running []*subscription
	for sub := range s.running {
		running = append(running, sub)
	}
	s.mu.Unlock()
	for _, sub := range running {
		sub.cancel()
	}
	for _, sub := range running {
		<-sub.ended
	}
	return nil
}
