package kafka

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

var _ pipeline.Peeker = (*Source)(nil)

// Peek shows records of a partition, read_committed.
func (s *Source) Peek(ctx context.Context, req pipeline.OpenRequest, b *pipeline.Batch, limit pipeline.Limit) error {
	topic, partition, err := partitionOfShard(req.Shard)
	if err != nil {
		return err
	}
	r := &partitionReader{source: s, topic: topic, partition: partition}
	ends, err := r.bounds(ctx)
	if err != nil {
		return err
	}
	from := req.From
	if req.KeepsPosition {
		if from, err = r.kept(ctx); err != nil {
			return err
		}
	}
	next := ends.oldest
	switch {
	case from != nil:
		next = max(next, int64(from.Offset.Minor)) //nolint:gosec // offsets
	case req.First && s.settings.Start == "newest":
		next = ends.stable
	}
	if next >= ends.stable {
		return nil
	}
	client, err := kgo.NewClient(append(slices.Clone(s.opts), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(next)}}))...)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		waiting, cancel := context.WithTimeout(ctx, lookAfter)
		fetches := client.PollFetches(waiting)
		cancel()
		switch err := fetches.Err(); {
		case err != nil && waiting.Err() != nil && ctx.Err() == nil:
			return nil // compaction has taken what was before the end
		case err != nil:
			return s.failed("reading", topic, err)
		case peeked(fetches, ends.stable, b, limit):
			return nil
		}
	}
}

// peeked adds what was fetched, and tells whether that was all.
func peeked(fetches kgo.Fetches, end int64, b *pipeline.Batch, limit pipeline.Limit) bool {
	for records := fetches.RecordIter(); !records.Done(); {
		record := records.Next()
		if record.Offset < end && !record.Attrs.IsControl() {
			b.Read++
			if len(b.Records) > 0 && b.Bytes+sizeOf(record) > limit.Bytes {
				return true
			}
			addRecord(b, record)
		}
		if record.Offset >= end-1 || len(b.Records) == limit.Records {
			return true
		}
	}
	return false
}
