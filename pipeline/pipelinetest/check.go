package pipelinetest

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Check reads the committed records of a topic, all partitions from the start to
// the end that each has now, and judges them against the events that were sent.
//
// A transaction that is open now is waited for, since it hides what was committed
// after it began; ctx bounds that, and the reading. What could not be read to the
// end is an error, and not judged.
func Check(ctx context.Context, brokers []string, topic string, want Expectation) (Report, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // they show that the end of a partition is reached
		kgo.FetchMaxBytes(64<<20),
		kgo.FetchMaxPartitionBytes(16<<20),
	)
	if err != nil {
		return Report{}, fmt.Errorf("checking topic %s: %w", topic, err)
	}
	defer client.Close()
	left, err := extent(ctx, kadm.NewClient(client), topic)
	if err != nil {
		return Report{}, fmt.Errorf("checking topic %s: %w", topic, err)
	}
	j := newJudge(want)
	if err := read(ctx, client, topic, left, j); err != nil {
		return Report{}, fmt.Errorf("checking topic %s: %w", topic, err)
	}
	return j.verdict(), nil
}

// extent gives the end offset of each partition that is not empty, once
// everything before it is decided.
func extent(ctx context.Context, admin *kadm.Client, topic string) (map[int32]int64, error) {
	starts, err := admin.ListStartOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	ends, err := admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	left := map[int32]int64{}
	for partition, end := range ends[topic] {
		start, _ := starts.Lookup(topic, partition)
		if end.Err != nil || start.Err != nil {
			return nil, fmt.Errorf("partition %d: %w", partition, firstErr(end.Err, start.Err))
		}
		if start.Offset < end.Offset {
			left[partition] = end.Offset
		}
	}
	return left, decided(ctx, admin, topic, left)
}

func firstErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// decided returns when no open transaction stands before the ends.
func decided(ctx context.Context, admin *kadm.Client, topic string, ends map[int32]int64) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var open error
	for {
		stable, err := admin.ListCommittedOffsets(ctx, topic)
		if err != nil && open != nil {
			return fmt.Errorf("%w: %w", open, err)
		}
		if err != nil {
			return err
		}
		open = nil
		for partition, end := range ends {
			if at, _ := stable.Lookup(topic, partition); at.Err != nil || at.Offset < end {
				open = fmt.Errorf("partition %d: a transaction is open at offset %d of %d", partition, at.Offset, end)
			}
		}
		if open == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", open, ctx.Err())
		}
	}
}

// read hands all records before the ends to the judge.
func read(ctx context.Context, client *kgo.Client, topic string, ends map[int32]int64, j *judge) error {
	offsets := map[int32]kgo.Offset{}
	for partition := range ends {
		offsets[partition] = kgo.NewOffset().AtStart()
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets})
	for len(ends) > 0 {
		fetches := client.PollFetches(ctx)
		for _, failure := range fetches.Errors() {
			return fmt.Errorf("partition %d: %w", failure.Partition, failure.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			end, open := ends[r.Partition]
			if open && r.Offset < end && !r.Attrs.IsControl() {
				j.take(r.Partition, r.Offset, r.Key, r.Value)
			}
			if r.Offset >= end-1 { // or later, where the last one was compacted
				delete(ends, r.Partition)
			}
		})
	}
	return nil
}
