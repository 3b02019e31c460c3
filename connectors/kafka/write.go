package kafka

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/pipeline"
)

// Write hands the records to the client, in order; they leave in the
// background.
func (l *Lane) Write(ctx context.Context, b *pipeline.Batch) error {
	l.busy.Lock()
	defer l.busy.Unlock()
	if err := l.begin(ctx); err != nil {
		return err
	}
	s := l.slabs.take(l)
	s.fill(b, l.now())
	if len(s.records) == 0 {
		l.slabs.give(s)
		return nil
	}
	s.left.Store(int32(len(s.records))) //nolint:gosec // a batch is not that large
	for i := range s.records {
		l.client.Produce(context.Background(), &s.records[i], s.promise)
	}
	return nil
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
