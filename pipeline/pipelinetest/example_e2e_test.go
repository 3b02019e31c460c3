//go:build e2e && unix

package pipelinetest_test

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// A Redis of one's own, on a free port of 127.0.0.1: it may be killed.
func ExampleStartRedis() {
	ctx := context.Background()
	server, err := pipelinetest.StartRedis(ctx, pipelinetest.RedisOptions{Durable: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	fmt.Println(client.Set(ctx, "kept", "1", 0).Err(), server.Kill(), server.Restart(ctx))
	fmt.Println(client.Get(ctx, "kept").Val(), server.Stop())
	// Output:
	// <nil> <nil> <nil>
	// 1 <nil>
}

// A Kafka of one's own, one broker that is its own controller.
func ExampleStartKafka() {
	ctx := context.Background()
	server, err := pipelinetest.StartKafka(ctx, pipelinetest.KafkaOptions{Heap: "512m"})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(server.Addr()), kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(10))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.ProduceSync(ctx, &kgo.Record{Topic: "events", Value: []byte("view")}).FirstErr(), server.Stop())
	// Output: <nil> <nil>
}
