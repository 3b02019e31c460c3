package redis

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

const (
	// pollFor is how long a read waits in Redis: nothing interrupts go-redis there.
	pollFor = 100 * time.Millisecond
	// aheadFor is how much work may be read ahead.
	aheadFor = 100 * time.Millisecond
	// aheadMessages and aheadBytes bound one read, the second as far as the messages
	// before tell.
	aheadMessages = 1000
	aheadBytes    = 4 << 20
	// ackQueue is how many acks may wait for the one XACK that is under way.
	ackQueue = 1000
)

// subscription is one call of Subscribe. A goroutine reads batches, MaxInFlight
// others hand out their messages, and one acknowledges.
type subscription struct {
	config   SubscriberConfig
	topic    string
	consumer string
	own      func(consumer string) bool // of the Subscriber, on the topic
	cancel   context.CancelFunc
	out      chan *message.Message
	ended    chan struct{}
	fields   watermill.LogFields

	// Of the reading goroutine.
	cursor  string // without a group: after this; of what is pending: after this
	pending bool   // what the consumer was handed before comes first
	mark    string // up to where the group had acknowledged all
	claimed time.Time
	count   int    // messages to ask for
	size    int    // bytes of one, about
	read    uint64 // the epoch of what is read

	batches chan batch
	demand  chan struct{} // nothing is left to hand out
	pace    atomic.Int64  // nanoseconds that a message takes, about; 0: not known
	epoch   atomic.Uint64 // batches of an earlier one are thrown away

	turn  sync.Mutex // of handing out; covers the next two
	now   batch      // what is left of it
	began time.Time  // when it was begun

	acks   chan string
	acking sync.Mutex // held while the consumer's pending entries change, or are read

	mu   sync.Mutex
	held map[string]bool // entries that the group has handed out here; true: and that are handed out
}

// batch is what one read gave.
type batch struct {
	entries []redis.XMessage
	size    int // of entries when it came
	read    time.Time
	epoch   uint64
}

func newSubscription(config SubscriberConfig, topic string) *subscription {
	return &subscription{
		config: config, topic: topic, cursor: "0", mark: config.Start, pending: config.Group != "", count: min(config.MaxInFlight, aheadMessages),
		out: make(chan *message.Message), ended: make(chan struct{}), batches: make(chan batch), demand: make(chan struct{}, 1),
		acks: make(chan string, ackQueue), held: map[string]bool{},
		fields: watermill.LogFields{"provider": "redis", "topic": topic, "consumer_group": config.Group},
	}
}

// begin finds the entry after which a subscription without a group begins.
func (s *subscription) begin(ctx context.Context) error {
	if s.cursor = s.config.Start; s.cursor != "$" {
		return nil
	}
	newest, err := s.config.Client.XRevRangeN(ctx, s.topic, "+", "-", 1).Result()
	if s.cursor = "0"; len(newest) > 0 {
		s.cursor = newest[0].ID
	}
	return err
}

// run reads, hands out and acknowledges until ctx ends.
func (s *subscription) run(ctx context.Context) {
	defer s.cancel()
	s.fields["consumer_uuid"] = s.consumer
	var working, settling sync.WaitGroup
	working.Go(func() { s.readAll(ctx) })
	for range s.config.MaxInFlight {
		working.Go(func() { s.handOut(ctx) })
	}
	settling.Go(func() { s.acknowledge(ctx) })
	working.Wait()
	close(s.acks)
	settling.Wait()
	if s.config.Group != "" {
		s.leave(context.WithoutCancel(ctx))
	}
}

// readAll reads batches until ctx ends.
func (s *subscription) readAll(ctx context.Context) {
	var trouble trouble
	for s.awaitDemand(ctx) {
		var entries []redis.XMessage
		for len(entries) == 0 && ctx.Err() == nil {
			var err error
			if entries, err = s.fetch(ctx); ctx.Err() == nil {
				trouble.follow(ctx, s, "reading "+s.topic, err)
			}
		}
		if len(entries) == 0 {
			return // ctx has ended
		}
		select {
		case s.batches <- batch{entries: entries, size: len(entries), read: time.Now(), epoch: s.read}:
		case <-ctx.Done():
		}
	}
}

// awaitDemand waits until more is to be read: at once where what is read is soon
// worked off, else when nothing is left. It sets how much to ask for, and is false
// when ctx has ended.
func (s *subscription) awaitDemand(ctx context.Context) bool {
	if pace := time.Duration(s.pace.Load()); pace == 0 || pace > aheadFor {
		select {
		case <-s.demand:
		case <-ctx.Done():
		}
	}
	if pace := s.pace.Load(); pace > 0 {
		s.count = int(min(int64(aheadFor)/pace, int64(2*s.count), aheadMessages, int64(aheadBytes/max(s.size, 1))))
		s.count = max(s.count, 1)
	}
	return ctx.Err() == nil
}

// fetch reads what comes next.
func (s *subscription) fetch(ctx context.Context) ([]redis.XMessage, error) {
	if s.config.Group != "" {
		return s.fetchShared(ctx)
	}
	entries, err := s.ask(ctx, "XREAD", "COUNT", s.count, "BLOCK", pollFor.Milliseconds(), "STREAMS", s.topic, s.cursor)
	if len(entries) > 0 {
		s.cursor = entries[len(entries)-1].ID
	}
	return entries, err
}

// once is a read that go-redis does not send again by itself: a reply that is lost may
// have handed out entries.
type once struct{ *redis.XStreamSliceCmd }

// NoRetry is true.
func (once) NoRetry() bool { return true }

// ask sends an XREAD or XREADGROUP of one stream.
func (s *subscription) ask(ctx context.Context, args ...any) ([]redis.XMessage, error) {
	cmd := once{redis.NewXStreamSliceCmd(ctx, args...)}
	if err := s.config.Client.Process(ctx, cmd); err != nil {
		if errors.Is(err, redis.Nil) {
			err = nil
		}
		return nil, err
	}
	streams := cmd.Val()
	if len(streams) == 0 {
		return nil, nil
	}
	entries, bytes := streams[0].Messages, 0
	for _, e := range entries {
		for name, value := range e.Values {
			text, _ := value.(string)
			bytes += len(name) + len(text)
		}
	}
	s.size = bytes / max(len(entries), 1)
	return entries, nil
}

// trouble waits longer after each failure in a row, and logs each once.
type trouble struct {
	wait   time.Duration
	said   string
	gaveUp bool
}

const (
	firstWait = 50 * time.Millisecond
	mostWait  = 5 * time.Second
)

// follow follows an attempt: after one that failed it waits.
func (t *trouble) follow(ctx context.Context, s *subscription, doing string, err error) {
	if err == nil {
		if t.said != "" {
			s.config.Logger.Info("Redis answers again", s.fields)
		}
		*t = trouble{}
		return
	}
	err = classify("Redis", doing, err)
	if text := err.Error(); text != t.said {
		t.said = text
		fields := s.fields.Add(watermill.LogFields{"class": pipeline.ClassOf(err).String()})
		s.config.Logger.Error("the subscription fails, and tries again", err, fields)
	}
	t.wait = min(max(2*t.wait, firstWait), mostWait)
	select {
	case <-time.After(t.wait):
	case <-ctx.Done():
	}
}
