//go:build e2e && unix

package kafka

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	stock "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// side is one Pub/Sub of two.
type side struct {
	name       string
	publisher  func(addr string) (message.Publisher, error)
	subscriber func(addr, group string, inFlight int) (message.Subscriber, error)
}

var sides = []side{
	{"penstock", func(addr string) (message.Publisher, error) {
		return NewPublisher(PublisherConfig{Connection: Connection{Brokers: []string{addr}}})
	}, func(addr, group string, inFlight int) (message.Subscriber, error) {
		return NewSubscriber(SubscriberConfig{Connection: Connection{Brokers: []string{addr}}, ConsumerGroup: group, InFlight: inFlight})
	}},
	{"stock", func(addr string) (message.Publisher, error) {
		return stock.NewPublisher(stock.PublisherConfig{Brokers: []string{addr}, Marshaler: stock.DefaultMarshaler{}}, nil)
	}, func(addr, group string, _ int) (message.Subscriber, error) {
		config := stock.DefaultSaramaSubscriberConfig()
		config.Consumer.Offsets.Initial = sarama.OffsetOldest
		return stock.NewSubscriber(stock.SubscriberConfig{
			Brokers: []string{addr}, Unmarshaler: stock.DefaultMarshaler{}, OverwriteSaramaConfig: config, ConsumerGroup: group,
		}, nil)
	}},
}

func benchMessage() *message.Message {
	m := message.NewMessage("0193c1e8-7a3b-7bfa-9d5c-111111111111", []byte(strings.Repeat(`{"a":"b"}`, 22)))
	m.Metadata.Set("correlation_id", "0193c1e8")
	return m
}

// BenchmarkPublish publishes messages of 200 bytes, by callers at once, and 100 a call:
// some to each side in turn, so that whatever else the machine does meets both. It
// tells the median of each one's messages a second. The stock one acknowledges by the
// leader alone; ours by all replicas in sync.
func BenchmarkPublish(b *testing.B) {
	addr := pipelinetest.SharedKafka(b).Addr()
	for _, way := range []struct {
		name                    string
		callers, aCall, perTurn int
	}{{"alone", 1, 1, 1}, {"2 callers", 2, 1, 200}, {"8 callers", 8, 1, 800}, {"64 callers", 64, 1, 6400}, {"100 a call", 1, 100, 1000}} {
		b.Run(way.name, func(b *testing.B) {
			k := on(b, addr)
			publishers := make([]message.Publisher, len(sides))
			for i, s := range sides {
				pub, err := s.publisher(addr)
				must(b, err)
				publishers[i] = pub
				must(b, pub.Publish(k.topic, benchMessage()))
			}
			rates := make([][]float64, len(sides))
			for turn := 0; b.Loop(); turn++ {
				for n := range publishers {
					i := (turn + n) % len(publishers)
					from := time.Now()
					publishBy(b, publishers[i], k.topic, way.callers, way.aCall, way.perTurn)
					rates[i] = append(rates[i], float64(way.perTurn)/time.Since(from).Seconds())
				}
			}
			for i, s := range sides {
				slices.Sort(rates[i])
				b.ReportMetric(rates[i][len(rates[i])/2], s.name+"-msg/s")
				must(b, publishers[i].Close())
			}
		})
	}
}

// publishBy publishes n messages by callers at once.
func publishBy(b *testing.B, to message.Publisher, topic string, callers, aCall, n int) {
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := c * aCall; i < n; i += callers * aCall {
				messages := make([]*message.Message, aCall)
				for j := range messages {
					messages[j] = benchMessage()
				}
				if err := to.Publish(topic, messages...); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkSubscribe reads a backlog of messages of 200 bytes in a group, from one
// partition: one under way at a time, and up to 1000 (the stock one has no such
// thing).
func BenchmarkSubscribe(b *testing.B) {
	addr := pipelinetest.SharedKafka(b).Addr()
	for _, inFlight := range []int{1, 1000} {
		for _, s := range sides {
			b.Run(strconv.Itoa(inFlight)+" in flight/"+s.name, func(b *testing.B) {
				k := on(b, addr)
				k.topic = pipelinetest.Name(b)
				k.create(k.topic, 1, nil)
				fill(b, addr, k.topic, b.N)
				sub, err := s.subscriber(addr, k.name, inFlight)
				must(b, err)
				messages, err := sub.Subscribe(context.Background(), k.topic)
				must(b, err)
				(<-messages).Ack() // the group has met
				b.ResetTimer()
				for range b.N - 1 {
					(<-messages).Ack()
				}
				b.StopTimer()
				must(b, sub.Close())
				perSecond(b)
			})
		}
	}
}

func fill(b *testing.B, addr, topic string, n int) {
	pub, err := NewPublisher(PublisherConfig{Connection: Connection{Brokers: []string{addr}}})
	must(b, err)
	for i := 0; i < n; i += 1000 {
		messages := make([]*message.Message, min(1000, n-i))
		for j := range messages {
			messages[j] = benchMessage()
		}
		must(b, pub.Publish(topic, messages...))
	}
	must(b, pub.Close())
}

func perSecond(b *testing.B) {
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
