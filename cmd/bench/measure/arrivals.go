package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// pollEvery is how often the offsets of a topic are asked for: the error of the
// times in Arrivals.
const pollEvery = 10 * time.Millisecond

// readableLimit is how long after the end of a mover its records may become
// readable.
const readableLimit = 30 * time.Second

// Arrivals tells when the records of a topic arrived.
type Arrivals struct {
	// First is when the first record was in the log, committed or not: the
	// mover's work had begun, whatever it did before.
	First time.Time
	// Last is when the last record could be read read_committed. Zero: some
	// cannot be read yet.
	Last time.Time
}

// Took is the time from the first record to the last.
func (a Arrivals) Took() time.Duration { return a.Last.Sub(a.First) }

// sightings makes Arrivals of offsets that are looked at again and again.
type sightings struct {
	Arrivals
	before offsets
}

func (s *sightings) see(now offsets, at time.Time) {
	if s.First.IsZero() && now.high > 0 {
		s.First = at
	}
	if now.stable != s.before.stable {
		s.Last = at
	}
	s.before = now
}

// WatchArrivals polls an empty topic's offsets until done is closed and, since
// the broker makes a transaction readable a little after it has confirmed the
// commit, until everything can be read, but not longer than readableLimit.
func (k *Kafka) WatchArrivals(ctx context.Context, topic string, partitions int32, done <-chan struct{}) (Arrivals, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var seen sightings
	var giveUp <-chan time.Time
	for {
		now, err := k.offsets(ctx, topic, partitions)
		if kerr.IsRetriable(err) {
			now = seen.before // a leader that is away for a moment is no news
		} else if err != nil {
			return seen.Arrivals, err
		}
		seen.see(now, time.Now())
		if giveUp != nil && err == nil && now.stable == now.high {
			return seen.Arrivals, nil
		}
		select {
		case <-tick.C:
		case <-done:
			done, giveUp = nil, time.After(readableLimit)
		case <-giveUp:
			seen.Last = time.Time{}
			return seen.Arrivals, nil
		case <-ctx.Done():
			return seen.Arrivals, ctx.Err()
		}
	}
}

// offsets are sums over the partitions of a topic.
type offsets struct {
	high   int64 // what the log holds
	stable int64 // what a read_committed consumer can read
}

func (k *Kafka) offsets(ctx context.Context, topic string, partitions int32) (offsets, error) {
	stable, err := k.endOffsets(ctx, topic, partitions, 1)
	if err != nil {
		return offsets{}, err
	}
	high, err := k.endOffsets(ctx, topic, partitions, 0)
	return offsets{high: high, stable: stable}, err
}

// endOffsets asks without the metadata request that kadm adds each time.
func (k *Kafka) endOffsets(ctx context.Context, topic string, partitions int32, isolation int8) (int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.IsolationLevel = isolation
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic = topic
	for i := range partitions {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = i, -1
		asked.Partitions = append(asked.Partitions, p)
	}
	request.Topics = append(request.Topics, asked)
	var sum int64
	for _, shard := range k.client.RequestSharded(ctx, request) {
		n, err := sumOf(shard)
		if err != nil {
			return 0, fmt.Errorf("offsets of %s: %w", topic, err)
		}
		sum += n
	}
	return sum, nil
}

func sumOf(shard kgo.ResponseShard) (int64, error) {
	if shard.Err != nil {
		return 0, shard.Err
	}
	response, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
	if !ok {
		return 0, errors.New("the broker answered something else")
	}
	var sum int64
	for _, topic := range response.Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return 0, err
			}
			sum += partition.Offset
		}
	}
	return sum, nil
}

// AwaitRecord returns when the topic's log holds something, committed or not.
func (k *Kafka) AwaitRecord(ctx context.Context, topic string, partitions int32) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		high, err := k.endOffsets(ctx, topic, partitions, 0)
		if err != nil || high > 0 {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
