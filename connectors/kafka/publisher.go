package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
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
// and the error names it. After Timeout the outcome is unknown: a message may still
// arrive.
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
		return fmt.Errorf("topic %s: Kafka took nothing for %v, and %d bytes wait already", topic, p.config.Timeout, publishBytes)
	}
	defer p.calls.Add(-1)
	few := p.calls.Add(1) <= fewCalls
	few = p.few.Swap(few) && few
	if few && len(messages) == 1 && bytes <= singleBytes && messages[0].Context().Err() == nil {
		if sent, err := sendSingly(ctx, p.singles, records[0]); sent {
			p.room.Release(held)
			return unpublishedError(messages[0].UUID, topic, err)
		}
	}
	call := &publication{left: int32(len(messages)), over: make(chan struct{}), release: func() { p.room.Release(held) }} //nolint:gosec // a call is not that large
	return p.send(ctx, topic, call, records, messages)
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

// send hands over the records of messages whose context has not ended, and waits for
// what becomes of them.
func (p *Publisher) send(ctx context.Context, topic string, call *publication, records []*kgo.Record, messages []*message.Message) error {
	for i, msg := range messages {
		if err := msg.Context().Err(); err != nil {
			call.settle(len(records)-i, msg.UUID, err)
			records = records[:i]
			break
		}
	}
	p.waves.send(records, call.acknowledged)
	select {
	case <-call.over:
		if failed := call.failed.Load(); failed != nil {
			return unpublishedError(failed.uuid, topic, failed.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("topic %s: Kafka did not acknowledge within %v; messages may still arrive", topic, p.config.Timeout)
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
	left    int32
	over    chan struct{} // closed when all records are settled
	release func()        // gives back the room they took
	failed  atomic.Pointer[unpublished]
}

// unpublished is the first message of a call that was not taken.
type unpublished struct {
	uuid string
	err  error
}

// acknowledged is the promise of each record.
func (c *publication) acknowledged(r *kgo.Record, err error) {
	c.settle(1, string(r.Headers[0].Value), err)
}

// settle counts n records as settled, the first of them with an error or nil.
func (c *publication) settle(n int, uuid string, err error) {
	if err != nil {
		c.failed.CompareAndSwap(nil, &unpublished{uuid: uuid, err: err})
	}
	if atomic.AddInt32(&c.left, -int32(n)) == 0 { //nolint:gosec // a call is not that large
		c.release()
		close(c.over)
	}
}
