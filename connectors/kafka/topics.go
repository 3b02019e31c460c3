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
	wanted := []string{l.sink.settings.Topic}
	if !l.sink.plain() {
		wanted = append(wanted, positionsTopic)
	}
	if l.sink.deadLetters.Topic != "" {
		wanted = append(wanted, l.sink.deadLetters.Topic)
	}
	partitions := 0
	for _, topic := range wanted { // one by one: the client drops all answers for one denied
		found, err := admin.ListTopics(ctx, topic)
		if err != nil {
			return 0, denied(err, needed(topic), topic)
		}
		if err := l.prepareTopic(ctx, admin, found[topic]); err != nil {
			return 0, err
		}
		if topic == positionsTopic {
			partitions = len(found[topic].Partitions)
		}
	}
	if err := l.learnLimits(ctx, admin, wanted); err != nil {
		return 0, err
	}
	for partitions == 0 && !l.sink.plain() { // the topic was just made, by this lane or beside it
		if !wait(ctx, 10*time.Millisecond) {
			return 0, ctx.Err()
		}
		found, err := admin.ListTopics(ctx, positionsTopic)
		if err != nil {
			return 0, err
		}
		partitions = len(found[positionsTopic].Partitions)
	}
	return partitions, nil
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
	case t.Topic == l.sink.deadLetters.Topic && s.CreateTopic != nil:
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
	switch {
	case isDenied(err):
		return denied(err, "Create", topic)
	case err != nil && !errors.Is(err, kerr.TopicAlreadyExists):
		return fmt.Errorf("topic %s cannot be made: %w", topic, err)
	}
	return nil
}

// needed names the rights on a topic.
func needed(topic string) string {
	if topic == positionsTopic {
		return "Read and Write"
	}
	return "Write"
}

// learnLimits keeps the limits of the topics, and refuses a topic of positions
// that would forget. Where the user may not see a topic's settings, Kafka's
// defaults are taken, and the log says so once.
func (l *Lane) learnLimits(ctx context.Context, admin *kadm.Client, topics []string) error {
	bytes := map[string]int32{}
	var unseen []string
	for _, topic := range topics { // one by one, as above
		configs, err := admin.DescribeTopicConfigs(ctx, topic)
		switch {
		case isDenied(err):
			unseen = append(unseen, topic)
			continue
		case err != nil:
			return err
		}
		if err := learn(configs, bytes); err != nil {
			return err
		}
	}
	l.limits.bytes.Store(&bytes)
	if len(unseen) > 0 {
		l.sink.unseen.Do(func() {
			l.sink.log.Warn("Kafka does not show the settings of topics: its default of max.message.bytes is taken, and nobody looked whether positions are compacted",
				"topics", unseen, "do", "allow DescribeConfigs on these topics")
		})
	}
	return nil
}

// learn puts the limits into bytes.
func learn(configs kadm.ResourceConfigs, bytes map[string]int32) error {
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
	return nil
}
