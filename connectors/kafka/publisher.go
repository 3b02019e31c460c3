package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/semaphore"
)

const (
	// publishPatience is how long a Publish takes at most, where nothing is said.
	publishPatience = 30 * time.Second
	// publishBytes is how much a Publisher holds that is not acknowledged.
	publishBytes = 64 << 20
	// fewCalls at a time are each written by who calls. More go together.
	fewCalls = 3
	// maxBuffered records: more than fit into any bound in bytes. The client's own
	// bound would fail batches that others share, when one's context ends.
	maxBuffered = 1 << 22
)

// PublisherConfig says where and how a Publisher publishes.
type PublisherConfig struct {
	Connection
	// Key gives each message its key; nil: messages have none, and go to the
	// partitions in turn, a batch each.
	Key Key
	// Compression is none, gzip, snappy, lz4 or zstd; empty: none, as in the stock one.
	Compression string
	// Timeout is how long a Publish waits for Kafka; 0: 30 s.
	Timeout time.Duration
}

// Publisher is a Watermill Publisher. Its messages have the form of stock
// watermill-kafka's DefaultMarshaler. It is idempotent: what it sends again after
// a broken connection is stored once. It is safe for concurrent use.
type Publisher struct {
	config  PublisherConfig
	client  *kgo.Client
	singles []*single           // for the messages of few calls; none: the client sends all
	waves   *waves              // for all others
	room    *semaphore.Weighted // bytes
	calls   atomic.Int32        // of Publish, that are under way
	few     atomic.Bool         // the last one began when few others were under way
	purges  atomic.Int64        // of topics that were made again

	mu     sync.RWMutex // held for reading by each Publish
	closed bool
}

var _ message.Publisher = (*Publisher)(nil)

var errPublisherClosed = errors.New("the publisher is closed")

// NewPublisher makes a Publisher. It connects to nobody yet. The caller closes it.
// Errors: Permanent, of files and settings.
func NewPublisher(config PublisherConfig) (*Publisher, error) {
	opts, err := config.pubSubOptions()
	if err != nil {
		return nil, err
	}
	if config.Compression == "" {
		config.Compression = "none"
	}
	if config.Timeout <= 0 {
		config.Timeout = publishPatience
	}
	codecs, err := codec(config.Compression)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(opts,
		kgo.ProducerBatchCompression(codecs...),
		kgo.ProducerLinger(0), // what comes while a request is under way makes the next batch
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.MaxBufferedRecords(maxBuffered),
		kgo.RecordDeliveryTimeout(max(config.Timeout, time.Second)), // the least there is
	)...)
	if err != nil {
		return nil, fmt.Errorf("the Kafka client refuses its settings: %w", err)
	}
	p := &Publisher{config: config, client: client, waves: &waves{client: client}, room: semaphore.NewWeighted(publishBytes)}
	for config.SASL == nil && config.Compression == "none" && len(p.singles) < fewCalls {
		one, err := newSingle(config.Connection, client)
		if err != nil {
			client.Close()
			return nil, err
		}
		p.singles = append(p.singles, one)
	}
	return p, nil
}

// Publish sends messages to a topic, all at once, and returns when all in-sync
// replicas have each of them. They keep their order in a partition. Where few calls
// are under way, one of a single message writes it to the leader itself, and reads the
// answer (without SASL and compression); of many calls, those that come while others
// are on their way share requests. A message whose context has ended is not sent, nor
// are those after it. Where Kafka refuses one, others of the call may have been taken,
// and the error names the first that was not. After Timeout the outcome is unknown: a
// message may still arrive, unless the error says that it was not sent. A topic that was
// deleted and made again may refuse one call, and takes the next.
func (p *Publisher) Publish(topic string, messages ...*message.Message) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return errPublisherClosed
	}
	if len(messages) == 0 {
		return nil
	}
	records, bytes, err := p.marshal(topic, messages)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.config.Timeout)
	defer cancel()
	held := min(int64(bytes), publishBytes)
	if err := p.room.Acquire(ctx, held); err != nil {
		return fmt.Errorf("topic %s: nothing was sent within %v: of the %d bytes that may wait for Kafka fewer were free than the %d of the call",
			topic, p.config.Timeout, publishBytes, held)
	}
	defer p.calls.Add(-1)
	few := p.calls.Add(1) <= fewCalls
	few = p.few.Swap(few) && few
	if few && len(messages) == 1 && bytes <= singleBytes && messages[0].Context().Err() == nil {
		sent, err := sendSingly(ctx, p.singles, records[0])
		if !sent && ctx.Err() != nil {
			sent, err = true, fmt.Errorf("it was not sent, Kafka did not answer within %v", p.config.Timeout)
		}
		if sent {
			p.room.Release(held)
			return unpublishedError(messages[0].UUID, topic, err)
		}
	}
	return p.send(ctx, topic, records, messages, func() { p.room.Release(held) })
}

// marshal gives the records of messages, and how many bytes they take.
func (p *Publisher) marshal(topic string, messages []*message.Message) (records []*kgo.Record, bytes int, err error) {
	records = make([]*kgo.Record, len(messages))
	for i, msg := range messages {
		r, err := marshal(topic, msg, p.config.Key)
		if err != nil {
			return nil, 0, fmt.Errorf("message %s: %w", msg.UUID, err)
		}
		records[i] = r
		bytes += overhead + len(r.Key) + len(r.Value) + size(r.Headers)
	}
	return records, bytes, nil
}

// send hands over the records of messages up to the first whose context has ended, and
// waits for what becomes of them.
func (p *Publisher) send(ctx context.Context, topic string, records []*kgo.Record, messages []*message.Message, release func()) error {
	n := slices.IndexFunc(messages, func(m *message.Message) bool { return m.Context().Err() != nil })
	var ended error
	if n >= 0 {
		records, ended = records[:n], unpublishedError(messages[n].UUID, topic, messages[n].Context().Err())
	}
	if len(records) == 0 {
		release()
		return ended
	}
	purges := p.purges.Load()
	call := newPublication(ctx, p.waves, len(records), release)
	p.waves.send(records, call.acknowledged)
	select {
	case <-call.over:
		if call.failed == nil {
			return ended
		}
		p.madeAgain(topic, call.failed.err, purges)
		return unpublishedError(call.failed.uuid, topic, call.failed.err)
	case <-ctx.Done():
		return fmt.Errorf("topic %s: Kafka did not acknowledge within %v; messages may still arrive", topic, p.config.Timeout)
	}
}

// madeAgain makes the client forget a topic that it knows by an id that is gone: it
// takes no other one by itself (KIP-516). Of the calls that fail together one does it:
// purges is how often it was done when the call began.
func (p *Publisher) madeAgain(topic string, err error, purges int64) {
	if errors.Is(err, kerr.UnknownTopicID) && p.purges.CompareAndSwap(purges, purges+1) {
		p.client.PurgeTopicsFromProducing(topic)
	}
}

// unpublishedError names the message that an error is of; nil stays nil.
func unpublishedError(uuid, topic string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("message %s: topic %s: %w", uuid, topic, err)
}

// Close waits until what was published is acknowledged, for as long as a Publish
// does, and closes the connections. Further calls do nothing.
func (p *Publisher) Close() error {
	p.mu.Lock() // no Publish is under way
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.client.Close()
	for _, s := range p.singles {
		s.close()
	}
	return nil
}

// publication is one call of Publish.
type publication struct {
	waves   *waves
	until   time.Time     // it waits no longer
	over    chan struct{} // closed when all records are settled
	release func()        // gives back the room they took

	// The client calls promises one at a time; who waits for over reads failed.
	left   int
	failed *unpublished
	late   []*kgo.Record // the client gave them up, and would take them again
	why    error         // it did
}

// unpublished is the first message of a call that was not taken.
type unpublished struct {
	uuid string
	err  error
}

// newPublication begins a call of n records. ctx has a deadline.
func newPublication(ctx context.Context, waves *waves, n int, release func()) *publication {
	c := &publication{waves: waves, over: make(chan struct{}), release: release}
	c.until, _ = ctx.Deadline()
	c.left = n
	return c
}

// acknowledged is the promise of each record.
func (c *publication) acknowledged(r *kgo.Record, err error) {
	switch {
	case errors.Is(err, kgo.ErrRecordTimeout):
		c.late, c.why = append(c.late, r), err
	case err != nil && c.failed == nil:
		c.failed = &unpublished{uuidOf(r), err}
	}
	if c.left--; c.left > 0 || c.repeats() {
		return
	}
	c.release()
	close(c.over)
}

// repeats hands over again, together and in order, what the client gave up, if nothing
// else failed: it gives up all records of a partition when the time of the oldest is
// over, which may be another call's.
func (c *publication) repeats() bool {
	records := c.late
	if len(records) == 0 || c.failed != nil {
		return false
	}
	if !time.Now().Before(c.until) {
		c.failed = &unpublished{uuidOf(records[0]), c.why}
		return false
	}
	c.left, c.late = len(records), nil
	c.waves.send(records, c.acknowledged)
	return true
}

// uuidOf gives the UUID of the message of a record.
func uuidOf(r *kgo.Record) string { return string(r.Headers[0].Value) }
