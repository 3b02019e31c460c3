//go:build e2e && unix

package pipelinetest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/connectors/local"
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

// A Cluster of one's own: any of its nodes may be killed, and slots may move.
func ExampleStartRedisCluster() {
	ctx := context.Background()
	cluster, err := pipelinetest.StartRedisCluster(ctx, 3, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs()})
	defer client.Close()
	fmt.Println(client.Set(ctx, "kept", "1", 0).Err(), client.Get(ctx, "kept").Val(), len(cluster.Nodes), "nodes", cluster.Stop())
	// Output: <nil> 1 3 nodes <nil>
}

// Two servers and a Sentinel, which names the other one when the master is killed.
func ExampleStartRedisSentinels() {
	testFailover := func(t *testing.T) {
		sentinels, err := pipelinetest.StartRedisSentinels(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before, err := sentinels.Master(t.Context())
		fmt.Println("the master is server", before, err, sentinels.Servers[before].Kill())
		pipelinetest.Eventually(t, time.Minute, "the other server is the master", func() bool {
			now, err := sentinels.Master(t.Context())
			return err == nil && now != before
		})
		fmt.Println(sentinels.Stop())
	}
	fmt.Println("passes:", passes(testFailover))
	// Output:
	// the master is server 0 <nil> <nil>
	// <nil>
	// passes: true
}

// Three brokers: one may be killed, and topics are still written to.
func ExampleStartKafkaCluster() {
	ctx := context.Background()
	cluster, err := pipelinetest.StartKafkaCluster(ctx, pipelinetest.KafkaClusterOptions{Heap: "320m"})
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addrs()...), kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(10))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.ProduceSync(ctx, &kgo.Record{Topic: "events", Value: []byte("view")}).FirstErr(), cluster.Brokers[2].Kill())
	fmt.Println(client.ProduceSync(ctx, &kgo.Record{Topic: "events", Value: []byte("buy")}).FirstErr(), cluster.Stop())
	// Output:
	// <nil> <nil>
	// <nil> <nil>
}

// Kafka's own programs write and read: a judgement that shares no code with Penstock.
func ExampleProduceByConsole() {
	ctx := context.Background()
	server, err := pipelinetest.StartKafka(ctx, pipelinetest.KafkaOptions{Heap: "512m"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Stop() //nolint:errcheck // the example is over
	fmt.Println(pipelinetest.ProduceByConsole(ctx, server.Addr(), "events", [][2]string{{"u1", "view"}, {"u1", "buy"}}))
	// Output: <nil>
}

func ExampleCheckByConsole() {
	ctx, shop := context.Background(), local.NewShop(1, 2)
	server, err := pipelinetest.StartKafka(ctx, pipelinetest.KafkaOptions{Heap: "512m"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Stop() //nolint:errcheck // the example is over
	var sent [][2]string
	for range 6 {
		event, user := shop.Append(nil)
		sent = append(sent, [2]string{user, string(event)})
	}
	fmt.Println(pipelinetest.ProduceByConsole(ctx, server.Addr(), "events", sent))
	report, err := pipelinetest.CheckByConsole(ctx, server.Addr(), "events", shop.Counts(), 10*time.Second)
	fmt.Println(report.OK(), report.Records, err)
	// Output:
	// <nil>
	// true 6 <nil>
}

// One Redis for all tests: its keys are shared too.
func ExampleSharedRedis() {
	testList := func(t *testing.T) {
		client := redis.NewClient(&redis.Options{Addr: pipelinetest.SharedRedis(t).Addr()})
		defer client.Close()
		list := pipelinetest.Name(t)
		fmt.Println(client.RPush(t.Context(), list, "cart", "buy").Val(), client.Del(t.Context(), list).Err())
	}
	fmt.Println("passes:", passes(testList))
	// Output:
	// 2 <nil>
	// passes: true
}

// One Kafka for all tests: its topics are shared too.
func ExampleSharedKafka() {
	testTopic := func(t *testing.T) {
		client, err := kgo.NewClient(kgo.SeedBrokers(pipelinetest.SharedKafka(t).Addr()), kgo.AllowAutoTopicCreation(), kgo.UnknownTopicRetries(10))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		fmt.Println(client.ProduceSync(t.Context(), &kgo.Record{Topic: pipelinetest.Name(t), Value: []byte("view")}).FirstErr())
	}
	fmt.Println("passes:", passes(testTopic))
	// Output:
	// <nil>
	// passes: true
}

// A worker of Kafka Connect, to compare with.
func ExampleStartConnect() {
	testConnect := func(t *testing.T) {
		url := pipelinetest.StartConnect(t, pipelinetest.SharedKafka(t).Addr())
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/connectors", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		fmt.Println(string(text), err)
	}
	fmt.Println("passes:", passes(testConnect))
	// Output:
	// [] <nil>
	// passes: true
}
