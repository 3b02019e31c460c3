//go:build unix

package watermill

import (
	"log/slog"
	"testing"

	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

func TestStockRedisSinkConforms(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		conform.Sink(t, conform.SinkCase{Fresh: func(t *testing.T) (pipeline.Sink, func(*testing.T) []string) {
			topic := pipelinetest.Name(t)
			sink, err := NewRedisSink(RedisSinkSettings{RedisConnection: p.redisURL(), Destination: Destination{Topic: topic, KeyMetadata: "partition_key"}}, "", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return sink, func(t *testing.T) []string { return p.inRedis(t, topic) }
		}})
	})
}

func TestStockKafkaSinkConforms(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		p.startMeters(t)
		conform.Sink(t, conform.SinkCase{Fresh: func(t *testing.T) (pipeline.Sink, func(*testing.T) []string) {
			topic := pipelinetest.Name(t)
			sink, err := NewKafkaSink(KafkaSinkSettings{KafkaConnection: KafkaConnection{Brokers: []string{p.kafka}}, Destination: Destination{Topic: topic, KeyMetadata: "partition_key"}}, "", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return sink, func(t *testing.T) []string { return p.inKafka(t, topic) }
		}})
	})
}

// startMeters lets sarama start the goroutine of its metrics, which comes with the first
// connection, once, and never ends.
func (p place) startMeters(t *testing.T) {
	t.Helper()
	first, err := kafka.NewPublisher(kafka.PublisherConfig{Brokers: []string{p.kafka}, Marshaler: kafka.DefaultMarshaler{}}, nil)
	publish(t, first, err, pipelinetest.Name(t), "a")
}

// inRedis gives the payloads of the messages in a stream, in order.
func (p place) inRedis(t *testing.T, topic string) []string {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: p.redis})
	defer client.Close()
	entries, err := client.XRange(t.Context(), topic, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, e := range entries {
		payload, _ := e.Values["payload"].(string)
		values = append(values, payload)
	}
	return values
}

// inKafka gives the payloads of the messages in a topic of one partition, in order.
func (p place) inKafka(t *testing.T, topic string) []string {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.kafka), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0) // nothing where nobody has written to the topic
	var values []string
	for int64(len(values)) < end.Offset {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}
