package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/penstock-io/penstock/pipeline"
)

// defaultBatchBytes is Kafka's own default of max.message.bytes.
const defaultBatchBytes = 1048588

// limits holds max.message.bytes by topic. Safe for concurrent use.
type limits struct {
	bytes atomic.Pointer[map[string]int32]
}

// batchBytes gives the limit of a topic, Kafka's default where nobody has asked.
func (l *limits) batchBytes(topic string) int32 {
	if known := l.bytes.Load(); known != nil && (*known)[topic] > 0 {
		return (*known)[topic]
	}
	return defaultBatchBytes
}

// prepareTopics makes the topics that may be made, learns their limits, and
// gives the number of partitions of the topic of positions.
func (l *Lane) prepareTopics(ctx context.Context, admin *kadm.Client) (int, error) {
	wanted := []string{positionsTopic, l.sink.settings.Topic}
	if l.sink.deadLetter != "" {
		wanted = append(wanted, l.sink.deadLetter)
	}
	found, err := admin.ListTopics(ctx, wanted...)
	if err != nil {
		return 0, err
	}
	for _, topic := range wanted {
		if err := l.prepareTopic(ctx, admin, found[topic]); err != nil {
			return 0, err
		}
	}
	configs, err := admin.DescribeTopicConfigs(ctx, wanted...)
	if err != nil {
		return 0, err
	}
	if err := l.learn(configs); err != nil {
		return 0, err
	}
	return l.partitions(ctx, admin, found)
}

// partitions gives the number of partitions of the topic of positions, which
// may just have been made, by this lane or beside it.
func (l *Lane) partitions(ctx context.Context, admin *kadm.Client, found kadm.TopicDetails) (int, error) {
	for {
		if n := len(found[positionsTopic].Partitions); n > 0 {
			return n, nil
		}
		if !wait(ctx, 10*time.Millisecond) {
			return 0, ctx.Err()
		}
		var err error
		if found, err = admin.ListTopics(ctx, positionsTopic); err != nil {
			return 0, err
		}
	}
}

// prepareTopic makes one topic where it is missing and may be made.
func (l *Lane) prepareTopic(ctx context.Context, admin *kadm.Client, t kadm.TopicDetail) error {
	s := l.sink.settings
	switch {
	case t.Err == nil && t.Topic == positionsTopic && len(t.Partitions) < 2:
		return &pipeline.Error{Class: pipeline.Permanent, What: "topic " + positionsTopic + " has one partition",
			Do: "it needs two or more; while it is empty, delete it and Penstock makes it"}
	case t.Err == nil:
		return nil
	case !errors.Is(t.Err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("topic %s: %w", t.Topic, t.Err)
	case t.Topic == positionsTopic:
		return create(ctx, admin, t.Topic, CreateTopic{Partitions: positionsPartitions, Replicas: -1}, map[string]*string{
			"cleanup.policy": new("compact"), "segment.bytes": new("1048576"), "segment.ms": new("600000"),
			"min.cleanable.dirty.ratio": new("0.1"),
		})
	case t.Topic == s.Topic && s.CreateTopic != nil:
		return create(ctx, admin, t.Topic, *s.CreateTopic, nil)
	case t.Topic == l.sink.deadLetter && s.CreateTopic != nil:
		return create(ctx, admin, t.Topic, CreateTopic{Partitions: 1, Replicas: s.CreateTopic.Replicas}, nil)
	}
	return &pipeline.Error{Class: pipeline.Unreachable, What: "topic " + t.Topic + " does not exist",
		Do: "create it, or add create_topic to the sink"}
}

func create(ctx context.Context, admin *kadm.Client, topic string, c CreateTopic, configs map[string]*string) error {
	made, err := admin.CreateTopic(ctx, c.Partitions, c.Replicas, configs, topic)
	if err == nil {
		err = made.Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("topic %s cannot be made: %w", topic, err)
	}
	return nil
}

// learn keeps the limits, and refuses a topic of positions that would forget.
// Where describing is not allowed, Kafka's defaults are taken.
func (l *Lane) learn(configs kadm.ResourceConfigs) error {
	bytes := map[string]int32{}
	for _, c := range configs {
		for _, entry := range c.Configs {
			switch {
			case entry.Key == "max.message.bytes":
				if n, err := strconv.ParseInt(entry.MaybeValue(), 10, 32); err == nil {
					bytes[c.Name] = int32(n)
				}
			case entry.Key == "cleanup.policy" && c.Name == positionsTopic && entry.MaybeValue() != "compact":
				return &pipeline.Error{Class: pipeline.Permanent,
					What: fmt.Sprintf("topic %s has cleanup.policy=%s: Kafka would forget positions", positionsTopic, entry.MaybeValue()),
					Do:   "set its cleanup.policy to compact"}
			}
		}
	}
	l.limits.bytes.Store(&bytes)
	return nil
}
