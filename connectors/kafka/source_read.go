package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

const (
	// partitionBytes bounds what one fetch brings; one is under way or held beside the
	// engine's window.
	partitionBytes = 1 << 20
	// lookAfter is after how long without records the partition is looked at: a
	// broker that is away, and a topic that was made again, say nothing by themselves.
	lookAfter = 5 * time.Second
)

// partitionReader reads one partition with a client of its own, which holds one
// fetch of about partitionBytes at most.
type partitionReader struct {
	source    *Source
	topic     string
	partition int32
	keeps     bool // the position is kept in the group
	start     pipeline.Position
	topicID   atomic.Pointer[string] // of the topic that is read
	next      atomic.Int64           // the offset to read next

	life context.Context // ends with Close
	end  context.CancelFunc

	mu     sync.Mutex
	client *kgo.Client   // nil: none is needed yet, or the last one was dropped
	held   []*kgo.Record // fetched and not read
	moved  bool          // it goes on elsewhere: Read gives the position without records
}

func (r *partitionReader) shard() string { return shardName(r.topic, r.partition) }

func (r *partitionReader) Start() pipeline.Position { return r.start }

// moveTo sets where to read next.
func (r *partitionReader) moveTo(p pipeline.Position) {
	r.topicID.Store(&p.Incarnation)
	r.next.Store(nextOffset(p))
}

// position is after what was read.
func (r *partitionReader) position() pipeline.Position {
	return bounds{topicID: *r.topicID.Load()}.at(r.next.Load())
}

// Wait blocks until a fetch has brought records.
func (r *partitionReader) Wait(ctx context.Context) error {
	for len(r.held) == 0 && !r.moved {
		if err := r.usable(ctx); err != nil {
			return err
		}
		client, err := r.consumer()
		if err != nil {
			return err
		}
		found, err := r.poll(ctx, client)
		switch {
		case r.usable(ctx) != nil:
			return r.usable(ctx)
		case err != nil:
			r.drop()
			if err := r.trouble(ctx, err); err != nil {
				return err
			}
		case len(found) > 0:
			r.held = found
		default:
			if err := r.look(ctx); err != nil {
				return err
			}
		}
	}
	return r.usable(ctx)
}

// usable is an error after Close, and after the end of ctx.
func (r *partitionReader) usable(ctx context.Context) error {
	return errors.Join(r.life.Err(), ctx.Err())
}

// consumer gives the client that fetches from where reading goes on.
func (r *partitionReader) consumer() (*kgo.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil || r.life.Err() != nil {
		return r.client, r.life.Err()
	}
	client, err := kgo.NewClient(append(slices.Clip(r.source.opts),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.topic: {r.partition: kgo.NewOffset().At(r.next.Load())}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()), // what is missing is a gap
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // they move the position
		kgo.FetchMaxBytes(partitionBytes), kgo.FetchMaxPartitionBytes(partitionBytes),
	)...)
	if err != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "the Kafka client refuses its settings", Err: err}
	}
	r.client = client
	return client, nil
}

// poll waits for records; none come within lookAfter: there are none. What comes of
// a topic that was made again, which a new client does not notice, is an error.
func (r *partitionReader) poll(ctx context.Context, client *kgo.Client) ([]*kgo.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, lookAfter)
	defer cancel()
	defer context.AfterFunc(r.life, cancel)()
	fetches := client.PollFetches(ctx)
	var another error
	fetches.EachTopic(func(t kgo.FetchTopic) {
		if id := kadm.TopicID(t.TopicID); id != (kadm.TopicID{}) && id.String() != *r.topicID.Load() {
			another = kerr.UnknownTopicID
		}
	})
	if another != nil {
		return nil, another
	}
	if found := fetches.Records(); len(found) > 0 {
		return found, nil // an error comes again
	}
	for _, e := range fetches.Errors() {
		if !errors.Is(e.Err, context.DeadlineExceeded) && !errors.Is(e.Err, context.Canceled) {
			return nil, e.Err
		}
	}
	return nil, nil
}

// trouble tells what an error of a fetch means: a partition that does not hold what
// comes next is looked at. Where its leader has another log than the one that was
// read (KIP-320), what was delivered after the fork is not there any more, and what
// stands in its place was not read.
func (r *partitionReader) trouble(ctx context.Context, err error) error {
	if fork, lost := errors.AsType[*kgo.ErrDataLoss](err); lost {
		to := bounds{topicID: *r.topicID.Load()}.at(fork.ResetTo)
		return r.goOn(r.gap(r.position(), to, fmt.Sprintf("a broker has lost what was read from offset %d on", fork.ResetTo)))
	}
	if errors.Is(err, kerr.OffsetOutOfRange) || errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.InconsistentTopicID) {
		if err := r.look(ctx); err != nil || r.moved {
			return err
		}
	}
	return r.source.failed("reading partition "+r.shard(), r.topic, err)
}

// look holds the partition against what was read. Where it does not continue that,
// the error is a Gap, or reading goes on elsewhere.
func (r *partitionReader) look(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.life, cancel)()
	b, err := r.bounds(ctx)
	if err != nil {
		return err
	}
	return r.goOn(r.resume(b, r.position()))
}

// goOn takes what resume or gap say.
func (r *partitionReader) goOn(to pipeline.Position, err error) error {
	if err != nil || to == r.position() {
		return err
	}
	r.drop()
	r.moveTo(to)
	r.moved = true
	return nil
}

// Read takes records from the fetch that Wait has found. Their bytes are those of
// the fetch. A tombstone, a record without a value, has the value nil.
func (r *partitionReader) Read(ctx context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	if err := r.usable(ctx); err != nil {
		return err
	}
	if len(r.held) == 0 && !r.moved {
		return nil
	}
	b.Grow(min(len(r.held), limit.Records))
	taken := 0
	for _, record := range r.held {
		size := sizeOf(record)
		if len(b.Records) == limit.Records || len(b.Records) > 0 && b.Bytes+size > limit.Bytes {
			break
		}
		taken++
		if record.Attrs.IsControl() {
			continue
		}
		addRecord(b, record)
	}
	if taken > 0 {
		r.next.Store(r.held[taken-1].Offset + 1)
	}
	if r.held = r.held[taken:]; len(r.held) == 0 {
		r.held = nil // and the fetch with it
	}
	r.moved = false
	b.Read, b.After = len(b.Records), r.position()
	return nil
}

// addRecord adds a record of Kafka to a batch.
func addRecord(b *pipeline.Batch, record *kgo.Record) {
	out := b.Add()
	out.Key, out.Value, out.Headers = record.Key, pipeline.RawValue(record.Value), headersIn(record)
	out.Time, out.Offset = record.Timestamp, pipeline.Offset{Minor: uint64(record.Offset + 1)} //nolint:gosec // offsets are not negative
	b.Bytes += sizeOf(record)
}

func sizeOf(r *kgo.Record) int {
	size := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		size += len(h.Key) + len(h.Value)
	}
	return size
}

func headersIn(r *kgo.Record) []pipeline.Header {
	if len(r.Headers) == 0 {
		return nil
	}
	out := make([]pipeline.Header, len(r.Headers))
	for i, h := range r.Headers {
		out[i] = pipeline.Header{Key: h.Key, Value: h.Value}
	}
	return out
}

// Rewind drops what was fetched. A position of a topic that was made again
// meanwhile means the start of the one there is.
func (r *partitionReader) Rewind(p pipeline.Position) error {
	r.drop()
	if p.Incarnation != *r.topicID.Load() {
		p, r.moved = bounds{topicID: *r.topicID.Load()}.at(0), true
	}
	r.moveTo(p)
	return r.life.Err()
}

// drop closes the client; the next Wait makes one.
func (r *partitionReader) drop() {
	r.held, r.moved = nil, false
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		r.client.Close()
		r.client = nil
	}
}

// Close ends the reading. The error is always nil.
func (r *partitionReader) Close() error {
	r.end()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		r.client.Close()
		r.client = nil
	}
	return nil
}
