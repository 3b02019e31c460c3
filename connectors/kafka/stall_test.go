//go:build unix

package kafka

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock-io/penstock/pipeline"
)

// A commit of which Kafka takes nothing says for which topic, and what is wrong
// with that.
func TestStalledCommitNamesTheTopic(t *testing.T) {
	for name, test := range map[string]struct {
		stall func(*kafkaTest, *kfake.Cluster) (end func())
		words string
	}{
		"no answer": {func(_ *kafkaTest, c *kfake.Cluster) func() { return hold(c, kmsg.Produce) }, ""},
		"not even to questions": {func(_ *kafkaTest, c *kfake.Cluster) func() { return hold(c, kmsg.Produce, kmsg.Metadata) },
			"it does not answer"},
		"the topic is gone": {func(k *kafkaTest, _ *kfake.Cluster) func() {
			_, err := k.admin.DeleteTopics(k.Context(), k.topic)
			must(k, err)
			return func() {}
		}, " does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			k, cluster := fake(t)
			lane, _ := k.open(k.sink(func(s *SinkSettings) { s.Transaction = time.Second }), "first")
			defer test.stall(k, cluster)()
			must(t, lane.Write(t.Context(), batch("list", "one", "two")))
			wantError(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(2)}), pipeline.Unreachable,
				"Kafka took no records for 1s ("+k.topic+")", test.words)
		})
	}
}

// Where every record was taken, what is missing is the positions.
func TestStalledPositions(t *testing.T) {
	k, cluster := fake(t)
	lane, _ := k.open(k.sink(func(s *SinkSettings) { s.Transaction = time.Second }), "first")
	must(t, lane.Write(t.Context(), batch("list", "one")))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
	defer hold(cluster, kmsg.Produce)()
	wantError(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}), pipeline.Unreachable,
		"Kafka took no records for 1s ("+positionsTopic+")")
}

// hold leaves requests unanswered until end is called.
func hold(c *kfake.Cluster, keys ...kmsg.Key) (end func()) {
	release := make(chan struct{})
	for _, key := range keys {
		c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			sleepUntil(c, release)
			return nil, nil, false
		})
	}
	return func() { close(release) }
}

func TestAilments(t *testing.T) {
	at := func(leader int32, isr, replicas int) kadm.PartitionDetail {
		return kadm.PartitionDetail{Leader: leader, ISR: make([]int32, isr), Replicas: make([]int32, replicas)}
	}
	for name, test := range map[string]struct {
		err        error
		partitions []kadm.PartitionDetail
		want       []string
	}{
		"none":            {nil, []kadm.PartitionDetail{at(1, 3, 3), at(2, 3, 3)}, nil},
		"no topic":        {kerr.UnknownTopicOrPartition, nil, []string{"topic t does not exist"}},
		"something else":  {kerr.InvalidTopicException, nil, []string{"topic t: " + kerr.InvalidTopicException.Error()}},
		"no leader":       {nil, []kadm.PartitionDetail{at(1, 3, 3), at(-1, 0, 3)}, []string{"partition 1 of topic t has no leader"}},
		"replicas behind": {nil, []kadm.PartitionDetail{at(1, 1, 3)}, []string{"partition 0 of topic t has 1 of 3 replicas in sync"}},
		"many": {nil, []kadm.PartitionDetail{at(-1, 0, 1), at(-1, 0, 1), at(-1, 0, 1), at(-1, 0, 1), at(-1, 0, 1)},
			[]string{"partition 0 of topic t has no leader", "partition 1 of topic t has no leader", "partition 2 of topic t has no leader", "and 2 more"}},
	} {
		t.Run(name, func(t *testing.T) {
			topic := kadm.TopicDetail{Topic: "t", Err: test.err, Partitions: kadm.PartitionDetails{}}
			for i, p := range test.partitions {
				p.Partition = int32(i)
				topic.Partitions[p.Partition] = p
			}
			if got := ailments(topic); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
