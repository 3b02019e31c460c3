package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/penstock-io/penstock/pipeline"
)

// stallPatience is how long Kafka may take to say what is wrong with a topic.
const stallPatience = 2 * time.Second

// stalled is the error of a flush that took too long. It names the topics with
// records that were not taken, and asks Kafka what is wrong with them.
func (l *Lane) stalled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stallPatience)
	defer cancel()
	topics := l.slabs.waiting()
	if len(topics) == 0 { // the positions follow the records
		topics = []string{positionsTopic}
	}
	admin := kadm.NewClient(l.client)
	var wrong []string
	for _, topic := range topics {
		found, err := admin.ListTopics(ctx, topic)
		switch {
		case isDenied(err):
			return denied(err, needed(topic), topic)
		case err != nil:
			return l.stalledBy(topics, []string{"it does not answer"}, err)
		}
		wrong = append(wrong, ailments(found[topic])...)
	}
	return l.stalledBy(topics, wrong, nil)
}

func (l *Lane) stalledBy(topics, wrong []string, err error) error {
	what := fmt.Sprintf("Kafka took no records for %v (%s)", l.sink.settings.Transaction, strings.Join(topics, ", "))
	if len(wrong) > 0 {
		what += ": " + strings.Join(wrong, ", ")
	}
	return &pipeline.Error{Class: pipeline.Unreachable, What: what, Err: err}
}

// ailments says why Kafka may not take records for a topic.
func ailments(t kadm.TopicDetail) []string {
	if errors.Is(t.Err, kerr.UnknownTopicOrPartition) {
		return []string{"topic " + t.Topic + " does not exist"}
	}
	if t.Err != nil {
		return []string{"topic " + t.Topic + ": " + t.Err.Error()}
	}
	var found []string
	for _, p := range t.Partitions.Sorted() {
		switch {
		case p.Leader < 0:
			found = append(found, fmt.Sprintf("partition %d of topic %s has no leader", p.Partition, t.Topic))
		case len(p.ISR) < len(p.Replicas):
			found = append(found, fmt.Sprintf("partition %d of topic %s has %d of %d replicas in sync", p.Partition, t.Topic, len(p.ISR), len(p.Replicas)))
		}
	}
	const most = 3 // the others are no news
	if n := len(found) - most; n > 0 {
		return append(slices.Clip(found[:most]), fmt.Sprintf("and %d more", n))
	}
	return found
}
