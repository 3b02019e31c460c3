//go:build e2e && unix

package cli

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// stock is a job with the stock Pub/Subs of Watermill at one end of it.
func stock(tb testing.TB, file string) *job {
	tb.Helper()
	j := newJob(tb, "redis_stream")
	j.path = filepath.Join(tb.TempDir(), "pipeline.yaml")
	expand := func(name string) string {
		return map[string]string{"NAME": j.name, "REDIS": "redis://" + j.redis + "/0", "KAFKA": j.kafka, "KEY": j.keys[0]}[name]
	}
	must(tb, os.WriteFile(j.path, []byte(os.Expand(file, expand)), 0o600))
	client, err := kgo.NewClient(kgo.SeedBrokers(j.kafka))
	must(tb, err)
	defer client.Close()
	_, err = kadm.NewClient(client).CreateTopic(tb.Context(), 4, 1, nil, j.name)
	must(tb, err)
	return j
}

// older is a configuration of sarama that Kafka 4 understands; from the start.
func older() *sarama.Config {
	config := kafka.DefaultSaramaSubscriberConfig()
	config.Version = sarama.V2_8_0_0
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return config
}

// received gives the messages that a stock subscriber receives, up to n different
// payloads, and closes it.
func received(tb testing.TB, from message.Subscriber, topic string, n int) map[string][]*message.Message {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 2*soon)
	defer cancel()
	messages, err := from.Subscribe(ctx, topic)
	must(tb, err)
	all := map[string][]*message.Message{}
	for len(all) < n {
		select {
		case m := <-messages:
			m.Ack()
			all[string(m.Payload)] = append(all[string(m.Payload)], m)
		case <-ctx.Done():
			tb.Fatalf("received %d of %d messages", len(all), n)
		}
	}
	must(tb, from.Close())
	return all
}

// killed kills a running pipeline so many times while the topic fills up to n, and
// gives one that runs on.
func (j *job) killed(times, n int) *pipelinetest.Command {
	j.tb.Helper()
	for i := range times {
		victim := j.start()
		j.arrived(j.name, n*(i+1)/(times+1))
		victim.Kill()
	}
	return j.start()
}

// lossless judges the topic: each event came at least once.
func (j *job) lossless(shop *local.Shop, n int) {
	j.tb.Helper()
	report := j.report(shop)
	if j.tb.Log(report); report.Lost+report.Corrupt+report.Foreign > 0 || report.Records < n {
		j.tb.Errorf("%s", report)
	}
}

// TestWatermillRedisSource: what the stock publisher has written to Redis comes to
// Kafka through the stock subscriber, at least once, whatever is killed.
func TestWatermillRedisSource(t *testing.T) {
	t.Parallel()
	const events = 2000
	j := stock(t, `
name: $NAME
source:
  watermill_redisstream: {url: $REDIS, topics: [$KEY], consumer_group: g, claim_idle: 2s}
  format: json
sink:
  kafka: {brokers: ["$KAFKA"], topic: $NAME, key: value.user_id}
delivery: at_least_once
`)
	publisher, err := redisstream.NewPublisher(redisstream.PublisherConfig{Client: redis.NewClient(&redis.Options{Addr: j.redis})}, nil)
	must(t, err)
	shop := newShop()
	published(t, publisher, j.keys[0], shop, events)
	last := j.killed(3, events)
	client := j.client()
	pipelinetest.Eventually(t, 2*soon, "the group has acknowledged all", func() bool {
		groups, err := client.XInfoGroups(t.Context(), j.keys[0]).Result()
		return err == nil && len(groups) == 1 && groups[0].Pending == 0 && groups[0].EntriesRead == events
	})
	stopped(t, last)
	j.lossless(shop, events)
	r := j.arrived(j.name, events)[0]
	if len(r.Headers) != 2 || r.Headers[0].Key != "_watermill_message_uuid" || len(r.Headers[0].Value) != 36 ||
		r.Headers[1].Key != "user" || string(r.Headers[1].Value) != string(r.Key) {
		t.Errorf("the headers are %v", r.Headers)
	}
}

// TestWatermillKafkaSink: what comes from a stream reaches a stock subscriber of Kafka
// through the stock publisher, at least once, whatever is killed; repetitions have the
// UUID of the first.
func TestWatermillKafkaSink(t *testing.T) {
	t.Parallel()
	const events = 3000
	j := stock(t, `
name: $NAME
source:
  redis_stream: {url: $REDIS, keys: [$KEY], value_field: payload}
  format: json
sink:
  watermill_kafka: {brokers: ["$KAFKA"], topic: $NAME, key: value.user_id}
delivery: at_least_once
`)
	shop := newShop()
	j.push(shop, events, 0).Do(t)
	last := j.killed(3, events)
	subscriber, err := kafka.NewSubscriber(kafka.SubscriberConfig{Brokers: []string{j.kafka}, Unmarshaler: kafka.DefaultMarshaler{},
		OverwriteSaramaConfig: older(), ConsumerGroup: j.name}, nil)
	must(t, err)
	all := received(t, subscriber, j.name, events)
	stopped(t, last)
	j.lossless(shop, events)
	uuids := map[string]bool{}
	for _, same := range all {
		for _, m := range same {
			uuids[m.UUID] = true
			if m.UUID != same[0].UUID || len(m.UUID) != 36 || m.Metadata.Get("partition_key") == "" {
				t.Fatalf("a message came as %q and %q, with %v", same[0].UUID, m.UUID, m.Metadata)
			}
		}
	}
	if len(uuids) != events {
		t.Errorf("%d messages have %d UUIDs", events, len(uuids))
	}
}

// TestWatermillBothWays: a pipeline between two stock Pub/Subs is not noticed by
// either.
func TestWatermillBothWays(t *testing.T) {
	t.Parallel()
	const events = 500
	j := stock(t, `
name: $NAME
source:
  watermill_kafka: {brokers: ["$KAFKA"], topics: [$NAME], consumer_group: $NAME}
sink:
  watermill_redisstream: {url: $REDIS, topic: $KEY}
delivery: at_least_once
`)
	publisher, err := kafka.NewPublisher(kafka.PublisherConfig{Brokers: []string{j.kafka},
		Marshaler: kafka.NewWithPartitioningMarshaler(func(_ string, m *message.Message) (string, error) { return m.Metadata.Get("user"), nil })}, nil)
	must(t, err)
	shop := newShop()
	published(t, publisher, j.name, shop, events)
	c := j.start()
	subscriber, err := redisstream.NewSubscriber(redisstream.SubscriberConfig{Client: redis.NewClient(&redis.Options{Addr: j.redis}), ConsumerGroup: "after"}, nil)
	must(t, err)
	all := received(t, subscriber, j.keys[0], events)
	stopped(t, c)
	for _, same := range all {
		m := same[0]
		if keys := slices.Sorted(maps.Keys(m.Metadata)); !slices.Equal(keys, []string{"partition_key", "user"}) || m.Metadata["user"] != m.Metadata["partition_key"] || len(m.UUID) != 36 {
			t.Fatalf("a message came as %q with %v", m.UUID, m.Metadata)
		}
	}
}

// TestWatermillTopicAway: a stock publisher that cannot connect is waited for.
func TestWatermillTopicAway(t *testing.T) {
	t.Parallel()
	j := stock(t, `
name: $NAME
source:
  redis_stream: {url: $REDIS, keys: [$KEY], value_field: payload}
sink:
  watermill_kafka: {brokers: ["127.0.0.1:1"], topic: $NAME}
delivery: at_least_once
`)
	c := j.start()
	c.Await(soon, "connecting the publisher")
	began := time.Now()
	stopped(t, c)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the stop took %v", took)
	}
}
