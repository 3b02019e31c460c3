//go:build e2e && unix

package pipelinetest

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestRedisKeepsWritesWhenDurable(t *testing.T) {
	for name, durable := range map[string]bool{"durable": true, "forgetful": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := StartRedis(t.Context(), RedisOptions{Durable: durable})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { check(t, r.Stop()) })
			client := redis.NewClient(&redis.Options{Addr: r.Addr()})
			t.Cleanup(func() { check(t, client.Close()) })
			check(t, client.Set(t.Context(), "k", "v", 0).Err())

			check(t, r.Kill())
			if err := r.Pause(); err == nil {
				t.Error("Pause of a killed server said nothing")
			}
			check(t, r.Restart(t.Context()))

			got, err := client.Get(t.Context(), "k").Result()
			if durable && (err != nil || got != "v") {
				t.Errorf("after a kill: %q, %v; want the value", got, err)
			}
			if !durable && !errors.Is(err, redis.Nil) {
				t.Errorf("after a kill: %q, %v; want nothing", got, err)
			}
		})
	}
}

func TestRedisPauses(t *testing.T) {
	r, err := StartRedis(t.Context(), RedisOptions{})
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: r.Addr(), ReadTimeout: 100 * time.Millisecond, MaxRetries: -1})
	t.Cleanup(func() { check(t, client.Close()) })
	check(t, client.Ping(t.Context()).Err())
	check(t, r.Pause())
	Eventually(t, 10*time.Second, "a paused Redis does not answer", func() bool {
		return client.Ping(t.Context()).Err() != nil
	})
	check(t, r.Resume())
	check(t, client.Ping(t.Context()).Err())
	check(t, r.Pause()) // Stop ends a paused server as well
	dir := r.proc.dir
	check(t, r.Stop())
	check(t, r.Stop())
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

func TestRedisTellsWhyItDoesNotStart(t *testing.T) {
	_, err := StartRedis(t.Context(), RedisOptions{Args: []string{"--no-such-option", "1"}})
	wantIn(t, err, "redis-server ended while it was starting", "no-such-option")
}

func TestKafkaKeepsRecordsOverKill(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	k, err := StartKafka(ctx, KafkaOptions{Heap: "512m", Properties: map[string]string{"num.partitions": "3"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, k.Stop()) })
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(ctx, -1, 1, nil, "t"); err != nil {
		t.Fatal(err)
	}
	check(t, client.ProduceSync(ctx, kgo.StringRecord("v")).FirstErr())

	check(t, k.Pause())
	Eventually(t, 10*time.Second, "a paused Kafka does not answer", func() bool {
		short, stop := context.WithTimeout(ctx, 200*time.Millisecond)
		defer stop()
		return client.Ping(short) != nil
	})
	check(t, k.Resume())
	check(t, k.Kill())
	check(t, k.Restart(ctx))

	ends, err := admin.ListEndOffsets(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	if sum != 1 || len(ends["t"]) != 3 {
		t.Errorf("after a kill: %d records in %d partitions; want 1 in 3", sum, len(ends["t"]))
	}
}

// Tests give their records fixed times, of long ago.
func TestKafkaKeepsOldRecords(t *testing.T) {
	topic := Name(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(SharedKafka(t).Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	configs, err := admin.DescribeTopicConfigs(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "retention.ms" && c.MaybeValue() != "-1" {
			t.Errorf("retention.ms is %s: records of old times are deleted after 30 s", c.MaybeValue())
		}
	}
}

func TestSharedServersAnswerAndRefuseHarm(t *testing.T) {
	r, k := SharedRedis(t), SharedKafka(t)
	if r != SharedRedis(t) || k != SharedKafka(t) {
		t.Error("a second test got other servers")
	}
	check(t, r.ready(t.Context()))
	check(t, k.ready(t.Context()))
	for name, harm := range map[string]func() error{
		"redis kill": r.Kill, "redis pause": r.Pause, "redis stop": r.Stop,
		"redis restart": func() error { return r.Restart(t.Context()) },
		"kafka kill":    k.Kill, "kafka resume": k.Resume, "kafka stop": k.Stop,
		"kafka restart": func() error { return k.Restart(t.Context()) },
	} {
		if err := harm(); !errors.Is(err, errShared) {
			t.Errorf("%s: %v; want it refused", name, err)
		}
	}
}
