//go:build unix

package watermill_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/connectors/watermill"
	"github.com/penstock-io/penstock/pipeline"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

var quiet = slog.New(slog.DiscardHandler)

// deliver commits a record to a sink.
func deliver(sink pipeline.Sink, value string) {
	ctx := context.Background()
	lane, _, err := sink.Open(ctx, pipeline.LaneID{Pipeline: "shop", Lanes: 1, Instance: "one"})
	check(err)
	b := &pipeline.Batch{Shard: "orders"}
	b.Add().Value = pipeline.RawValue([]byte(value))
	check(lane.Write(ctx, b))
	check(lane.Commit(ctx, nil))
	check(lane.Close(ctx))
}

func ExampleNewRedisSink() {
	server := miniredis.NewMiniRedis() // instead of a Redis
	check(server.Start())
	defer server.Close()
	at := watermill.RedisConnection{URL: pipeline.Secret("redis://" + server.Addr())}

	sink, err := watermill.NewRedisSink(watermill.RedisSinkSettings{RedisConnection: at, Destination: watermill.Destination{Topic: "orders"}}, "", quiet)
	check(err)
	defer sink.Close()
	deliver(sink, "shoes")
	entries, err := server.Stream("orders") // as stock watermill-redisstream writes it
	check(err)
	fmt.Println(len(entries), "message")
	// Output: 1 message
}

// It takes the place of a service that read as a member of the group.
func ExampleNewRedisSource() {
	at := watermill.RedisConnection{URL: "redis://localhost:6379/0"}
	source, err := watermill.NewRedisSource(watermill.RedisSourceSettings{RedisConnection: at, Topics: []string{"orders"}, Group: "warehouse", Start: "oldest", ClaimIdle: time.Minute}, quiet)
	check(err)
	fmt.Println(source.Shards(context.Background())) // it connects to nobody yet
	fmt.Println(source.Close())
	// Output:
	// [orders] <nil>
	// <nil>
}

func ExampleNewKafkaSink() {
	cluster := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders")) // instead of a Kafka
	defer cluster.Close()
	at := watermill.KafkaConnection{Brokers: cluster.ListenAddrs()}

	sink, err := watermill.NewKafkaSink(watermill.KafkaSinkSettings{KafkaConnection: at, Destination: watermill.Destination{Topic: "orders"}}, "", quiet)
	check(err)
	defer sink.Close()
	deliver(sink, "shoes")

	client, err := kgo.NewClient(kgo.SeedBrokers(at.Brokers...), kgo.ConsumeTopics("orders"))
	check(err)
	defer client.Close()
	for _, r := range client.PollFetches(context.Background()).Records() {
		fmt.Println(string(r.Value))
	}
	// Output: shoes
}

// It takes the place of a service that read as a member of the group.
func ExampleNewKafkaSource() {
	at := watermill.KafkaConnection{Brokers: []string{"localhost:9092"}}
	source, err := watermill.NewKafkaSource(watermill.KafkaSourceSettings{KafkaConnection: at, Topics: []string{"orders"}, Group: "warehouse", Start: "oldest"}, quiet)
	check(err)
	fmt.Println(source.Shards(context.Background())) // it connects to nobody yet
	fmt.Println(source.Close())
	// Output:
	// [orders] <nil>
	// <nil>
}
