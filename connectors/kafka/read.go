package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// readPositions reads the partition of positions, read_committed, until the
// claim that was just committed comes back, and gives the positions before it.
// An open transaction of another pipeline only makes it wait: stopping at the
// last stable offset would hide what lies behind that.
func (l *Lane) readPositions(ctx context.Context) (map[string]pipeline.Position, error) {
	positions := map[string]pipeline.Position{}
	err := l.read(ctx, l.partition, kgo.ReadCommitted(), func(r *kgo.Record) (bool, error) {
		if shard, ok := shardOf(string(r.Key), l.id.Pipeline); ok && len(r.Value) == 0 {
			delete(positions, shard)
		} else if ok {
			p, err := decodePosition(r.Value)
			if err != nil {
				return true, &pipeline.Error{Class: pipeline.Permanent, What: "shard " + shard + " of pipeline " + l.id.Pipeline, Err: err}
			}
			positions[shard] = p
		}
		lane, c, ok := l.claimIn(r)
		return ok && lane == l.id.Lane && c.instance == l.id.Instance && c.time.Equal(l.claimed), nil
	})
	return positions, err
}

// checkPartitions holds the number of partitions against the one that was
// written down when the topic was made: with another, a pipeline would look for
// its positions in the wrong place, and start again from the beginning.
func (l *Lane) checkPartitions(ctx context.Context, n int) error {
	end, err := l.endOffset(ctx, 0)
	if err != nil {
		return err
	}
	then := 0
	if end > 0 {
		err = l.read(ctx, 0, kgo.ReadCommitted(), func(r *kgo.Record) (bool, error) {
			if string(r.Key) == partitionsKey && !r.Attrs.IsControl() {
				var s storedPartitions
				if err := json.Unmarshal(r.Value, &s); err != nil {
					return true, fmt.Errorf("the stored number of partitions cannot be read: %w", err)
				}
				then = s.Partitions
			}
			return r.Offset >= end-1, nil
		})
	}
	switch {
	case err != nil:
		return err
	case then == 0:
		l.writePartitions = n
	case then != n:
		return &pipeline.Error{Class: pipeline.Permanent,
			What: fmt.Sprintf("topic %s has %d partitions, and had %d when it was made: the positions of pipelines would not be found", positionsTopic, n, then),
			Do:   "make a topic with the old number again and copy its records partition by partition"}
	}
	return nil
}

// endOffset gives the end of a partition of the positions: its high watermark. A
// topic that was just made is waited for.
func (l *Lane) endOffset(ctx context.Context, partition int32) (int64, error) {
	for {
		ends, err := kadm.NewClient(l.client).ListEndOffsets(ctx, positionsTopic)
		if err != nil {
			return 0, denied(err, "Read", positionsTopic)
		}
		end, known := ends.Lookup(positionsTopic, partition)
		switch {
		case known && end.Err == nil:
			return end.Offset, nil
		case known && !kerr.IsRetriable(end.Err):
			return 0, fmt.Errorf("partition %d of %s: %w", partition, positionsTopic, end.Err)
		case !wait(ctx, 10*time.Millisecond):
			return 0, ctx.Err()
		}
	}
}

// read gives each record of a partition of the positions to visit, from the
// start, control records too, until visit says that it is done.
func (l *Lane) read(ctx context.Context, partition int32, level kgo.IsolationLevel, visit func(*kgo.Record) (done bool, err error)) error {
	opts, err := l.sink.settings.options()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(opts,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{positionsTopic: {partition: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(level),
		kgo.KeepControlRecords(),
		kgo.FetchMaxWait(500*time.Millisecond),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return denied(fmt.Errorf("reading %s: %w", positionsTopic, err), "Read", positionsTopic)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			if done, err := visit(records.Next()); done || err != nil {
				return err
			}
		}
	}
}
