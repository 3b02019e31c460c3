//go:build unix

package watermill

import (
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

// place is a Redis and a Kafka, embedded or real.
type place struct{ redis, kafka string }

func (p place) redisURL() RedisConnection {
	return RedisConnection{URL: pipeline.Secret("redis://" + p.redis + "/0")}
}

// publish publishes values by a stock publisher, which it closes.
func publish(t *testing.T, p message.Publisher, err error, topic string, values ...string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		m := message.NewMessage("", []byte(v))
		m.UUID = numbers(i + 1)[i]
		m.Metadata.Set("k", v)
		if err := p.Publish(topic, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

// receive gives the payloads of n messages that a stock subscriber receives.
func receive(t *testing.T, s message.Subscriber, err error, topic string, n int) []string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	messages, err := s.Subscribe(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	patience := time.After(time.Minute)
	for len(values) < n {
		select {
		case m := <-messages:
			values = append(values, string(m.Payload))
			m.Ack()
		case <-patience:
			t.Fatalf("received %d of %d messages", len(values), n)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return values
}

// readersEnd waits at the end of a test until the goroutines of stock subscribers for
// Redis have ended: their Close does not, and they sleep over what they say.
func readersEnd(t *testing.T) {
	t.Cleanup(func() {
		pipelinetest.Eventually(t, 10*time.Second, "the stock subscribers' goroutines have ended", func() bool {
			all := make([]byte, 1<<20)
			return !strings.Contains(string(all[:runtime.Stack(all, true)]), "redisstream.(*Subscriber).read")
		})
	})
}

func TestStockRedisSourceConforms(t *testing.T) {
	values := numbers(12)
	each(t, func(t *testing.T, p place) {
		conform.Source(t, conform.SourceCase{Values: values, Shared: true, OneByOne: true, Fresh: func(t *testing.T) pipeline.Source {
			readersEnd(t)
			topic := pipelinetest.Name(t)
			publisher, err := redisstream.NewPublisher(redisstream.PublisherConfig{Client: redis.NewClient(&redis.Options{Addr: p.redis})}, nil)
			publish(t, publisher, err, topic, values...)
			s, err := NewRedisSource(RedisSourceSettings{RedisConnection: p.redisURL(), Topics: []string{topic}, Group: "g", Start: "oldest", ClaimIdle: time.Minute}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return s
		}})
	})
}

func TestStockSinksDeliver(t *testing.T) {
	readersEnd(t)
	values := numbers(12)
	log := slog.New(slog.DiscardHandler)
	each(t, func(t *testing.T, p place) {
		for name, c := range map[string]struct {
			sink       func(topic string) (*Sink, error)
			subscriber func(topic string) (message.Subscriber, error)
		}{
			"redisstream": {func(topic string) (*Sink, error) {
				return NewRedisSink(RedisSinkSettings{RedisConnection: p.redisURL(), Destination: Destination{Topic: topic, KeyMetadata: "partition_key"}}, "", log)
			}, func(topic string) (message.Subscriber, error) {
				return redisstream.NewSubscriber(redisstream.SubscriberConfig{Client: redis.NewClient(&redis.Options{Addr: p.redis}), ConsumerGroup: topic, DisableIndefiniteInitialBlock: true}, nil)
			}},
			"kafka": {func(topic string) (*Sink, error) {
				return NewKafkaSink(KafkaSinkSettings{KafkaConnection: KafkaConnection{Brokers: []string{p.kafka}}, Destination: Destination{Topic: topic, KeyMetadata: "partition_key"}}, "", log)
			}, func(string) (message.Subscriber, error) {
				config := kafka.DefaultSaramaSubscriberConfig()
				config.Version, config.Consumer.Offsets.Initial = kafkaVersion, -2
				return kafka.NewSubscriber(kafka.SubscriberConfig{Brokers: []string{p.kafka}, Unmarshaler: kafka.DefaultMarshaler{}, OverwriteSaramaConfig: config}, nil)
			}},
		} {
			t.Run(name, func(t *testing.T) {
				topic := pipelinetest.Name(t)
				sink, err := c.sink(topic)
				if err != nil {
					t.Fatal(err)
				}
				lane, _, err := sink.Open(t.Context(), pipeline.LaneID{Pipeline: "p", Lanes: 1})
				if err != nil {
					t.Fatal(err)
				}
				if err := deliver(t, lane, batch(values...)); err != nil {
					t.Fatal(err)
				}
				if err := sink.Close(); err != nil {
					t.Error(err)
				}
				subscriber, err := c.subscriber(topic)
				if got := receive(t, subscriber, err, topic, len(values)); !slices.Equal(got, values) {
					t.Errorf("received %q", got)
				}
			})
		}
	})
}

// TestTooLarge: a message that sarama never takes is a refused record.
func TestTooLarge(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		topic := pipelinetest.Name(t)
		sink, err := NewKafkaSink(KafkaSinkSettings{KafkaConnection: KafkaConnection{Brokers: []string{p.kafka}}, Destination: Destination{Topic: topic, KeyMetadata: "k"}}, "", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer sink.Close()
		lane, _, err := sink.Open(t.Context(), pipeline.LaneID{Pipeline: "p", Lanes: 1})
		if err != nil {
			t.Fatal(err)
		}
		var refused *pipeline.Refused
		if err := deliver(t, lane, batch(string(make([]byte, 2<<20)))); !errors.As(err, &refused) {
			t.Errorf("Commit: %v", err)
		}
	})
}

// TestAcknowledgesBeforeItCloses: what is settled just before the source is closed does
// not come again.
func TestAcknowledgesBeforeItCloses(t *testing.T) {
	readersEnd(t)
	each(t, func(t *testing.T, p place) {
		client := redis.NewClient(&redis.Options{Addr: p.redis})
		defer client.Close()
		for range 20 {
			topic := pipelinetest.Name(t)
			publisher, err := redisstream.NewPublisher(redisstream.PublisherConfig{Client: redis.NewClient(&redis.Options{Addr: p.redis})}, nil)
			publish(t, publisher, err, topic, "one")
			s, err := NewRedisSource(RedisSourceSettings{RedisConnection: p.redisURL(), Topics: []string{topic}, Group: "g", Start: "oldest", ClaimIdle: time.Minute}, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.Open(t.Context(), pipeline.OpenRequest{Shard: topic})
			if err != nil {
				t.Fatal(err)
			}
			b := &pipeline.Batch{}
			if err := errors.Join(r.Wait(t.Context()), r.Read(t.Context(), b, pipeline.Limit{Records: 1, Bytes: 1})); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(r.Settle(t.Context(), b.After), r.Close(), s.Close()); err != nil {
				t.Fatal(err)
			}
			if pending, err := client.XPending(t.Context(), topic, "g").Result(); err != nil || pending.Count > 0 {
				t.Fatalf("pending after Close: %+v, %v", pending, err)
			}
		}
	})
}
