//go:build e2e && unix

package redis

import (
	"runtime"
	"strconv"
	"testing"

	stock "github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// The Pub/Sub beside the stock one, in turns, on one real Redis: an operation is a message
// of 300 bytes and two metadata.
//
//	go test -tags e2e -run '^$' -bench PubSub -benchtime 20000x ./connectors/redis
func BenchmarkPubSub(b *testing.B) {
	addr := pipelinetest.SharedRedis(b).Addr()
	for _, bench := range []struct {
		name string
		run  func(b *testing.B, kind string)
	}{
		{"publish one at a time", func(b *testing.B, kind string) {
			pub, _ := benchPair(b, addr, kind, 1)
			publish(b, pub, pipelinetest.Name(b), 1)
		}},
		{"publish 100 a call", func(b *testing.B, kind string) {
			pub, _ := benchPair(b, addr, kind, 1)
			publish(b, pub, pipelinetest.Name(b), 100)
		}},
		{"publish one at a time by 100", func(b *testing.B, kind string) {
			pub, _ := benchPair(b, addr, kind, 1)
			topic := pipelinetest.Name(b)
			b.SetParallelism(100 / runtime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := pub.Publish(topic, benchMessages(1)...); err != nil {
						b.Error(err)
					}
				}
			})
		}},
		{"receive one in flight", func(b *testing.B, kind string) { benchReceive(b, addr, kind, 1) }},
		{"receive 100 in flight", func(b *testing.B, kind string) { benchReceive(b, addr, kind, 100) }},
	} {
		for _, kind := range []string{"penstock", "stock"} {
			b.Run(bench.name+"/"+kind, func(b *testing.B) { bench.run(b, kind) })
		}
	}
}

// benchPair gives a Pub/Sub. The stock subscriber knows only one message in flight.
func benchPair(b *testing.B, addr, kind string, inFlight int) (message.Publisher, message.Subscriber) {
	c := func() *redis.Client { return redis.NewClient(&redis.Options{Addr: addr, Protocol: 2}) }
	if kind == "stock" {
		pub, err := stock.NewPublisher(stock.PublisherConfig{Client: c()}, nil)
		must(b, err)
		sub, err := stock.NewSubscriber(stock.SubscriberConfig{Client: c(), ConsumerGroup: "g", DisableIndefiniteInitialBlock: true}, nil)
		must(b, err)
		b.Cleanup(func() { must(b, pub.Close()); must(b, sub.Close()) })
		return pub, sub
	}
	return place{addr: addr}.pubSub(b, SubscriberConfig{Group: "g", MaxInFlight: inFlight})
}

func benchMessages(n int) []*message.Message {
	out := make([]*message.Message, n)
	for i := range out {
		out[i] = message.NewMessage("7e2c7e0a-43b2-4a3f-9a53-"+strconv.Itoa(100_000_000_000+i), make([]byte, 300))
		out[i].Metadata.Set("type", "user_behavior")
		out[i].Metadata.Set("correlation_id", "3f1d0b52")
	}
	return out
}

func publish(b *testing.B, pub message.Publisher, topic string, each int) {
	for n := 0; n < b.N; n += each {
		must(b, pub.Publish(topic, benchMessages(min(each, b.N-n))...))
	}
}

func benchReceive(b *testing.B, addr, kind string, inFlight int) {
	topic := pipelinetest.Name(b)
	pub, _ := place{addr: addr}.pubSub(b, SubscriberConfig{})
	_, sub := benchPair(b, addr, kind, inFlight)
	publish(b, pub, topic, 1000)
	b.ResetTimer()
	messages, err := sub.Subscribe(b.Context(), topic)
	must(b, err)
	for range b.N {
		(<-messages).Ack()
	}
	b.StopTimer()
}
