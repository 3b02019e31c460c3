package kafka

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

var _ pipeline.Returner = (*Source)(nil)

// Returns refuses letters that are not whole, and those of topics that are not read
// any more.
func (s *Source) Returns(l *pipeline.DeadLetter) error {
	topic, _, err := partitionOfShard(l.Shard)
	switch {
	case err != nil:
		return err
	case l.Cut:
		return &pipeline.Error{Class: pipeline.Permanent, What: "the letter is not whole: there was no room for all of it", Do: "look for the record where it was made"}
	case !slices.Contains(s.settings.Topics, topic):
		return &pipeline.Error{Class: pipeline.Permanent, What: "the source does not read topic " + topic + " any more", Do: "write it into topics"}
	}
	return nil
}

// Return produces the records to their partitions, idempotent, each acknowledged by all
// replicas in sync.
func (s *Source) Return(ctx context.Context, letters []pipeline.DeadLetter) error {
	client, err := kgo.NewClient(append(slices.Clone(s.opts), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()))...)
	if err != nil {
		return err
	}
	defer client.Close()
	records := make([]*kgo.Record, len(letters))
	for i := range letters {
		l := &letters[i]
		topic, partition, err := partitionOfShard(l.Shard)
		if err != nil {
			return err
		}
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Key: l.Key, Value: l.Value, Headers: headers(l.Headers), Timestamp: l.Stamp}
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return denied(fmt.Errorf("giving records back to %s: %w", letters[0].Shard, err), "Write", letters[0].Shard)
	}
	return nil
}
