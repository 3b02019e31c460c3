package kafka

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

var (
	_ pipeline.PositionStore = (*Sink)(nil)
	_ pipeline.Forgetter     = (*Lane)(nil)
)

// Committed gives what the topic of positions holds of a pipeline now, for
// read_committed readers. Where there is no such topic, there are no positions.
func (s *Sink) Committed(ctx context.Context, name string) (map[string]pipeline.Committed, []pipeline.Claim, error) {
	client, err := kgo.NewClient(s.opts...)
	if err != nil {
		return nil, nil, &pipeline.Error{Class: pipeline.Permanent, What: "the Kafka client refuses its settings", Err: err}
	}
	defer client.Close()
	l := &Lane{sink: s, id: pipeline.LaneID{Pipeline: name}, client: client, limits: &limits{}, now: s.clock}
	positions, claims := map[string]pipeline.Committed{}, map[int]pipeline.Claim{}
	if err := l.committed(ctx, positions, claims); err != nil {
		return nil, nil, s.opening(err)
	}
	sorted := make([]pipeline.Claim, 0, len(claims))
	for _, lane := range slices.Sorted(maps.Keys(claims)) {
		sorted = append(sorted, claims[lane])
	}
	return positions, sorted, nil
}

// committed reads up to the end there is now. Open transactions of other pipelines are
// waited for: before the last stable offset alone, positions would be missing.
func (l *Lane) committed(ctx context.Context, positions map[string]pipeline.Committed, claims map[int]pipeline.Claim) error {
	ping, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	if err := l.client.Ping(ping); err != nil {
		return err
	}
	topics, err := kadm.NewClient(l.client).ListTopics(ctx, positionsTopic)
	if err != nil {
		return denied(err, "Read", positionsTopic)
	}
	n := len(topics[positionsTopic].Partitions)
	if n < 2 {
		return nil
	}
	if err := l.checkPartitions(ctx, n); err != nil {
		return err
	}
	l.partition = partitionOf(l.id.Pipeline, n)
	end, err := l.endOffset(ctx, l.partition)
	if err != nil || end == 0 {
		return err
	}
	return l.read(ctx, l.partition, kgo.ReadCommitted(), func(r *kgo.Record) (bool, error) {
		return r.Offset >= end-1, l.gather(r, positions, claims)
	})
}

// gather takes over what a record says of the pipeline.
func (l *Lane) gather(r *kgo.Record, positions map[string]pipeline.Committed, claims map[int]pipeline.Claim) error {
	if r.Attrs.IsControl() {
		return nil
	}
	if lane, ok := laneOf(string(r.Key), l.id.Pipeline); ok {
		delete(claims, lane)
		if _, c, ok := l.claimIn(r); ok {
			claims[lane] = pipeline.Claim{Lane: lane, Lanes: c.lanes, Instance: c.instance, Time: c.time}
		}
		return nil
	}
	shard, ok := shardOf(string(r.Key), l.id.Pipeline)
	if !ok {
		return nil
	}
	delete(positions, shard)
	if len(r.Value) == 0 {
		return nil
	}
	p, err := decodePosition(r.Value)
	if err != nil {
		return &pipeline.Error{Class: pipeline.Permanent, What: "shard " + shard + " of pipeline " + l.id.Pipeline, Err: err}
	}
	var s storedPosition
	if err := json.Unmarshal(r.Value, &s); err != nil {
		return err
	}
	positions[shard] = pipeline.Committed{Position: p, Time: s.Time, Instance: s.Instance}
	return nil
}

// Forget removes the positions of shards, in a transaction.
func (l *Lane) Forget(ctx context.Context, shards ...string) error {
	l.busy.Lock()
	defer l.busy.Unlock()
	if err := l.begin(ctx); err != nil {
		return err
	}
	for _, shard := range shards {
		l.produce(ctx, &kgo.Record{Topic: positionsTopic, Partition: l.partition, Key: []byte(positionKey(l.id.Pipeline, shard))})
	}
	return l.end(ctx)
}
