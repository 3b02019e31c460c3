package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// Start is where a subscription begins that has no committed offset.
type Start int

// The starts.
const (
	Oldest Start = iota // with what the topic still holds
	Newest              // with what comes from now on
)

const (
	// nackResendSleep is the stock one's.
	nackResendSleep = 100 * time.Millisecond
	// commitInterval is how often a group's offsets are committed, as in the stock one.
	commitInterval = time.Second
	// heartbeat is how soon a member hears of others that come and go.
	heartbeat = time.Second
	// closePatience is how long the last commit and leaving the group may take.
	closePatience = 5 * time.Second
	// fetchWait is how long a broker keeps a fetch that finds nothing: Java's default.
	fetchWait = 500 * time.Millisecond
	// fetchBytes bounds an answer of a broker, and partitionFetchBytes what it
	// holds of one partition, compressed.
	fetchBytes, partitionFetchBytes = 16 << 20, 512 << 10
)

// SubscriberConfig says what a Subscriber reads, and how.
type SubscriberConfig struct {
	Connection
	// ConsumerGroup shares the partitions of a topic among its members, and keeps
	// how far they came. Empty: each subscription reads every partition, from
	// Start, and nothing is kept.
	ConsumerGroup string
	// Start is where to begin without a committed offset. With Newest and a group,
	// that is when the group has met, a moment after Subscribe; with Newest and no
	// group, partitions that are added later are not read.
	Start Start
	// InFlight is how far in a partition messages are handed out beyond the oldest
	// that is not acknowledged; 0: 1, one message after the other, in order. With
	// more, messages are still handed out in order, but one that was nacked comes
	// again behind later ones.
	InFlight int
	// NackResendSleep is how long after its Nack a message comes again; 0: 100 ms,
	// less: at once.
	NackResendSleep time.Duration
	// CreateTopic says how SubscribeInitialize makes a topic; nil: as the broker is set.
	CreateTopic *CreateTopic
	// Logger is told of errors that pass; nil: nobody is.
	Logger watermill.LoggerAdapter
}

// Subscriber is a Watermill Subscriber. It reads the form of stock
// watermill-kafka's DefaultMarshaler, and other records too: headers become
// metadata, the value the payload. The message's context has its Origin.
//
// Delivery is at least once. Offsets are committed in order, up to where all is
// acknowledged: once a second, and when a partition moves on or the Subscriber
// closes. Members of a group share partitions by the cooperative-sticky protocol;
// those that only know others, like the stock one, cannot be in the group at the
// same time.
//
// A subscription holds at most three fetches of 512 KiB a partition, and one of
// 16 MiB a broker, in the compressed form that Kafka counts.
type Subscriber struct {
	config  SubscriberConfig
	opts    []kgo.Opt
	closing context.Context
	close   context.CancelFunc

	mu     sync.Mutex
	closed bool
	open   sync.WaitGroup // subscriptions
}

var (
	_ message.Subscriber           = (*Subscriber)(nil)
	_ message.SubscribeInitializer = (*Subscriber)(nil)
)

var errSubscriberClosed = errors.New("the subscriber is closed")

// NewSubscriber makes a Subscriber. It connects to nobody yet. The caller closes
// it. Errors: Permanent, of files and settings.
func NewSubscriber(config SubscriberConfig) (*Subscriber, error) {
	opts, err := config.pubSubOptions()
	if err != nil {
		return nil, err
	}
	if config.InFlight < 0 {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "InFlight is below 0", Do: "leave it out for 1"}
	}
	config.InFlight = max(config.InFlight, 1)
	if config.NackResendSleep == 0 {
		config.NackResendSleep = nackResendSleep
	}
	if config.Logger == nil {
		config.Logger = watermill.NopLogger{}
	}
	s := &Subscriber{config: config, opts: append(opts,
		kgo.FetchMaxWait(fetchWait),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxPartitionBytes(partitionFetchBytes),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// An offset that is gone was deleted: the oldest there is comes next.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)}
	s.closing, s.close = context.WithCancel(context.Background())
	return s, nil
}

// Subscribe gives the messages of a topic, and returns when a broker has answered.
// The channel closes when ctx ends or the Subscriber closes; the contexts of
// messages descend from ctx and end at Ack and Nack, and when the message is taken
// away: then its Ack counts for nothing, and it comes again. Messages of different
// partitions come side by side. Errors: Unreachable where no broker answers, and
// one after Close.
func (s *Subscriber) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errSubscriberClosed
	}
	sub := &subscription{
		config: s.config, topic: topic, output: make(chan *message.Message), partitions: map[int32]*assigned{}, taken: make(chan struct{}, 1),
		log: s.config.Logger.With(watermill.LogFields{"provider": "kafka", "topic": topic, "consumer_group": s.config.ConsumerGroup}),
	}
	sub.ctx, sub.cancel = context.WithCancel(ctx)
	context.AfterFunc(s.closing, sub.cancel)
	if err := sub.connect(s.opts); err != nil {
		sub.cancel()
		return nil, fmt.Errorf("subscribing to topic %s: %w", topic, err)
	}
	s.open.Go(sub.run)
	return sub.output, nil
}

// SubscribeInitialize makes the topic where it is missing, and returns when the
// brokers show it.
func (s *Subscriber) SubscribeInitialize(topic string) error {
	client, err := kgo.NewClient(s.opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(s.closing, openPatience)
	defer cancel()
	how := CreateTopic{Partitions: -1, Replicas: -1}
	if s.config.CreateTopic != nil {
		how = *s.config.CreateTopic
	}
	admin := kadm.NewClient(client)
	if err := create(ctx, admin, topic, how, nil); err != nil {
		return err
	}
	for {
		found, err := admin.ListTopics(ctx, topic)
		if err != nil {
			return denied(err, "Read", topic)
		}
		err = found[topic].Err
		for _, p := range found[topic].Partitions {
			err = errors.Join(err, p.Err)
		}
		if err == nil {
			return nil
		}
		if !kerr.IsRetriable(found[topic].Err) && found[topic].Err != nil || !wait(ctx, 10*time.Millisecond) {
			return fmt.Errorf("topic %s was made, and is not there: %w", topic, err)
		}
	}
}

// Close ends all subscriptions, commits what is acknowledged, leaves the group,
// and returns when all that has ended. Further calls do nothing.
func (s *Subscriber) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.close()
	s.open.Wait()
	return nil
}
