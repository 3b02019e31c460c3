package kafka

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// batchKey finds the batch of a record in the record's context.
type batchKey struct{}

// written is what a batch keeps for Kafka: one slab of records, reused, and the
// offset each of them came from.
type written struct {
	records []kgo.Record
	offsets []pipeline.Offset
}

// offset gives the source's offset of a record of the slab.
func (w *written) offset(r *kgo.Record) pipeline.Offset {
	for i := range w.records {
		if &w.records[i] == r {
			return w.offsets[i]
		}
	}
	return pipeline.Offset{}
}

// Write hands the records to the client, in order; they leave in the
// background.
func (l *Lane) Write(ctx context.Context, b *pipeline.Batch) error {
	l.busy.Lock()
	defer l.busy.Unlock()
	if err := l.begin(ctx); err != nil {
		return err
	}
	w, ok := b.Sink.(*written)
	if !ok {
		w = &written{}
		b.Sink = w
	}
	w.fill(l, b)
	ctx = context.WithValue(context.WithoutCancel(ctx), batchKey{}, b)
	for i := range w.records {
		l.client.Produce(ctx, &w.records[i], l.promise)
	}
	return nil
}

// fill makes a Kafka record of each record that leaves.
func (w *written) fill(l *Lane, b *pipeline.Batch) {
	clear(w.records)
	w.records, w.offsets = slices.Grow(w.records[:0], len(b.Records)), slices.Grow(w.offsets[:0], len(b.Records))
	now := l.now()
	for i := range b.Records {
		r := &b.Records[i]
		switch r.Fate {
		case pipeline.Deliver:
			w.records = append(w.records, kgo.Record{
				Key: r.Key, Value: r.Value.Raw(), Headers: headers(r.Headers), Timestamp: r.Time, Topic: r.Topic,
			})
		case pipeline.DeadLettered:
			w.records = append(w.records, l.deadLetter(b, r, now))
		default:
			continue
		}
		last := &w.records[len(w.records)-1]
		if last.Topic == "" {
			last.Topic = l.sink.settings.Topic
		}
		if last.Timestamp.IsZero() {
			last.Timestamp = now
		}
		w.offsets = append(w.offsets, r.Offset)
	}
}

func headers(in []pipeline.Header) []kgo.RecordHeader {
	if len(in) == 0 {
		return nil
	}
	out := make([]kgo.RecordHeader, len(in))
	for i, h := range in {
		out[i] = kgo.RecordHeader{Key: h.Key, Value: h.Value}
	}
	return out
}

// overhead is what Kafka adds to a record at most, batch header included.
const overhead = 128

// Check refuses what is above the topic's max.message.bytes before it is sent.
func (l *Lane) Check(r *pipeline.Record) error {
	topic := r.Topic
	if topic == "" {
		topic = l.sink.settings.Topic
	}
	size := len(r.Key) + len(r.Value.Raw()) + overhead
	for _, h := range r.Headers {
		size += len(h.Key) + len(h.Value) + 10
	}
	limit := int(l.limits.batchBytes(topic))
	if size <= limit {
		return nil
	}
	return &pipeline.Error{Class: pipeline.Permanent,
		What: fmt.Sprintf("the record has %d bytes, topic %s takes %d", size-overhead, topic, limit-overhead),
		Do:   "raise the topic's max.message.bytes, or make the records smaller"}
}
