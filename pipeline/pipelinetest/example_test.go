//go:build unix

package pipelinetest_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// Each function here that takes a *testing.T would be a test of its own: func
// TestPurchases(t *testing.T).

// A fresh Redis and a fresh Kafka, in the test's own process.
func ExampleEmbedded() {
	testServers := func(t *testing.T) {
		servers := pipelinetest.Embedded(t, kfake.SeedTopics(2, "carts"))
		client := redis.NewClient(&redis.Options{Addr: servers.RedisAddr})
		defer client.Close()
		fmt.Println(client.RPush(t.Context(), "user_behavior", "cart", "buy").Val(), "in the list")

		producer, err := kgo.NewClient(kgo.SeedBrokers(servers.KafkaAddr))
		if err != nil {
			t.Fatal(err)
		}
		defer producer.Close()
		fmt.Println(producer.ProduceSync(t.Context(), &kgo.Record{Topic: "carts", Value: []byte("shoes")}).FirstErr())
	}
	fmt.Println("passes:", passes(testServers))
	// Output:
	// 2 in the list
	// <nil>
	// passes: true
}

// What happens in the background is waited for, and not slept for.
func ExampleEventually() {
	testExpiry := func(t *testing.T) {
		servers := pipelinetest.Embedded(t)
		client := redis.NewClient(&redis.Options{Addr: servers.RedisAddr})
		defer client.Close()
		var job sync.WaitGroup
		job.Go(func() { client.Set(t.Context(), "state", "done", 0) })
		defer job.Wait()
		pipelinetest.Eventually(t, 10*time.Second, "the state is done", func() bool { return client.Get(t.Context(), "state").Val() == "done" })
	}
	fmt.Println("passes:", passes(testExpiry))
	// Output: passes: true
}

// Tests that share a server take names that nobody else takes.
func ExampleName() {
	testPurchases := func(t *testing.T) {
		one, two := pipelinetest.Name(t), pipelinetest.Name(t)
		fmt.Println(strings.HasPrefix(one, "TestPurchases_"), one != two)
	}
	fmt.Println("passes:", passes(testPurchases))
	// Output:
	// true true
	// passes: true
}

// A program is started, waited for, and ended; it does not outlive the test.
func ExampleStartCommand() {
	testProgram := func(t *testing.T) {
		program := pipelinetest.StartCommand(t, []string{"GREETING=hello"}, "sh", "-c", `echo "$GREETING"; echo ready >&2; trap 'exit 3' TERM; while :; do sleep 0.01; done`)
		program.Await(10*time.Second, "ready")
		program.Signal(syscall.SIGTERM)
		fmt.Println("exit code", program.Exit(10*time.Second))
		fmt.Println(program.Output())
	}
	fmt.Println("passes:", passes(testProgram))
	// Output:
	// exit code 3
	// hello
	// passes: true
}

// Events are judged by what was sent: the second one of a user is lost here, and the first
// one is there twice.
func ExampleCheck() {
	cluster := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "events")) // instead of a Kafka
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DefaultProduceTopic("events"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx, shop := context.Background(), local.NewShop(1, 1)
	first, user := shop.Append(nil)
	shop.Append(nil)
	for range 2 {
		if err := client.ProduceSync(ctx, &kgo.Record{Key: []byte(user), Value: first}).FirstErr(); err != nil {
			fmt.Println(err)
			return
		}
	}
	report, err := pipelinetest.Check(ctx, cluster.ListenAddrs(), "events", shop.Counts())
	fmt.Println(report.OK(), report.Records, "records,", report.Lost, "lost,", report.Doubled, "doubled", err)
	// Output: false 2 records, 1 lost, 1 doubled <nil>
}

// passes runs a test inside an example, once and as the go command would, and keeps what that
// says of it out of the example's output.
func passes(test func(t *testing.T)) bool {
	stdout, ran := os.Stdout, false
	os.Stdout = os.Stderr
	defer func() { os.Stdout = stdout }()
	return testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "TestPurchases", F: func(t *testing.T) {
		if ran { // -count asks for it again
			return
		}
		ran = true
		said := os.Stdout
		os.Stdout = stdout
		defer func() { os.Stdout = said }()
		test(t)
	}}})
}
