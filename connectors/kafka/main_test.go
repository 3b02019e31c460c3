//go:build unix

package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func TestMain(m *testing.M) {
	const multiplier = "github.com/ThreeDotsLabs/watermill/internal/subscriber.(*multiplier).Subscribe."
	goleak.VerifyTestMain(m,
		// Watermill's suite leaves these, with messages that nobody reads,
		goleak.IgnoreAnyFunction(multiplier+"func2"), goleak.IgnoreAnyFunction(multiplier+"func3"),
		// and the stock client this.
		goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick"))
}

// kafkaTest is a pipeline of the test's own: a sink with the defaults of a
// pipeline file, and a client to look with.
type kafkaTest struct {
	testing.TB
	addr  string
	name  string
	topic string
	admin *kadm.Client
}

// on makes a pipeline with a topic of three partitions.
func on(t testing.TB, addr string) *kafkaTest {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.MetadataMinAge(10*time.Millisecond)) // its cache hides new topics
	must(t, err)
	t.Cleanup(client.Close)
	k := &kafkaTest{TB: t, addr: addr, name: pipelinetest.Name(t), topic: pipelinetest.Name(t), admin: kadm.NewClient(client)}
	k.create(k.topic, 3, nil)
	return k
}

func (k *kafkaTest) create(topic string, partitions int32, configs map[string]*string) {
	k.Helper()
	made, err := k.admin.CreateTopic(k.Context(), partitions, 1, configs, topic)
	must(k, err)
	must(k, made.Err)
	pipelinetest.Eventually(k, 10*time.Second, "the broker shows topic "+topic, func() bool {
		found, err := k.admin.ListTopics(k.Context(), topic)
		return err == nil && found[topic].Err == nil && len(found[topic].Partitions) == int(partitions)
	})
}

// sink gives a sink of the pipeline, as one process has it.
func (k *kafkaTest) sink(change ...func(*SinkSettings)) *Sink {
	k.Helper()
	settings := SinkSettings{Topic: k.topic, Compression: "snappy", Transaction: 15 * time.Second}
	settings.Brokers = []string{k.addr}
	for _, f := range change {
		f(&settings)
	}
	s, err := NewSink(settings, pipeline.ExactlyOnce, DeadLetters{}, slog.New(slog.DiscardHandler))
	must(k, err)
	return s
}

func (k *kafkaTest) id(instance string) pipeline.LaneID {
	return pipeline.LaneID{Pipeline: k.name, Lanes: 1, Instance: instance}
}

// open opens the lane for an instance, and closes it when the test ends.
func (k *kafkaTest) open(s *Sink, instance string) (pipeline.Lane, map[string]pipeline.Position) {
	k.Helper()
	lane, positions, err := s.Open(k.Context(), k.id(instance))
	must(k, err)
	k.Cleanup(func() { must(k, lane.Close(context.Background())) })
	return lane, positions
}

// batch gives a batch of records with the same key.
func batch(shard string, values ...string) *pipeline.Batch {
	b := &pipeline.Batch{Shard: shard}
	for i, v := range values {
		r := b.Add()
		r.Key, r.Value, r.Time = []byte("key"), pipeline.RawValue([]byte(v)), time.UnixMilli(1_700_000_000_000)
		r.Original, r.Offset = r.Value.Raw(), pipeline.Offset{Minor: uint64(i + 1)}
	}
	return b
}

func at(minor uint64) pipeline.Position {
	return pipeline.Position{Incarnation: "I", Offset: pipeline.Offset{Minor: minor}}
}

// committed reads what a topic holds for read_committed readers now.
func (k *kafkaTest) committed(topic string) []*kgo.Record {
	k.Helper()
	ends, err := k.admin.ListCommittedOffsets(k.Context(), topic)
	must(k, err)
	from := map[int32]kgo.Offset{}
	left := 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			from[o.Partition] = kgo.NewOffset().AtStart()
			left++
		}
	})
	if left == 0 {
		return nil
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(k.addr), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}))
	must(k, err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(k.Context(), 20*time.Second)
	defer cancel()
	var found []*kgo.Record
	for left > 0 {
		fetches := client.PollFetches(ctx)
		must(k, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				found = append(found, r)
			}
			if end, _ := ends.Lookup(topic, r.Partition); r.Offset == end.Offset-1 {
				left--
			}
		})
	}
	return found
}

// settled waits until no transaction of a topic is open: Kafka answers the end of one
// before it has written the markers that let readers see it.
func (k *kafkaTest) settled(topic string) {
	k.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		stable, err := k.admin.ListCommittedOffsets(k.Context(), topic)
		must(k, err)
		ends, err := k.admin.ListEndOffsets(k.Context(), topic)
		must(k, err)
		open := ""
		ends.Each(func(end kadm.ListedOffset) {
			if s, _ := stable.Lookup(topic, end.Partition); s.Offset != end.Offset {
				open = fmt.Sprintf("partition %d: %d of %d", end.Partition, s.Offset, end.Offset)
			}
		})
		if open == "" {
			return
		}
		if time.Now().After(deadline) {
			k.Fatalf("a transaction of topic %s stays open, %s", topic, open)
		}
	}
}

// wantCommitted waits until a topic holds what is wanted: Kafka answers a commit
// before it has written the markers that let readers see it.
func (k *kafkaTest) wantCommitted(topic string, want ...string) []*kgo.Record {
	k.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		found := k.committed(topic)
		var got []string
		for _, r := range found {
			got = append(got, string(r.Value))
		}
		if slices.Equal(got, want) {
			return found
		}
		if len(got) >= len(want) || time.Now().After(deadline) {
			k.Fatalf("topic %s holds %q, want %q", topic, got, want)
		}
	}
}

// wantError checks the class of an error, and words that its text must hold.
func wantError(t testing.TB, err error, class pipeline.Class, words ...string) {
	t.Helper()
	if err == nil || pipeline.ClassOf(err) != class {
		t.Fatalf("got the error %v (%v), want %v with %q", err, pipeline.ClassOf(err), class, words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error %q does not say %q", err, word)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
