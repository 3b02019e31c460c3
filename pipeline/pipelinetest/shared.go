//go:build unix

package pipelinetest

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"
)

// The variables with the addresses of the shared servers; `make test` sets them.
const (
	RedisEnv = "PENSTOCK_TEST_REDIS"
	KafkaEnv = "PENSTOCK_TEST_KAFKA"
)

var (
	sharedRedis = sync.OnceValues(func() (*Redis, error) {
		if addr := os.Getenv(RedisEnv); addr != "" {
			return &Redis{addr: addr}, nil
		}
		r, err := StartRedis(context.Background(), RedisOptions{})
		if err != nil {
			return nil, err
		}
		return &Redis{addr: r.addr}, nil
	})
	sharedKafka = sync.OnceValues(func() (*Kafka, error) {
		if addr := os.Getenv(KafkaEnv); addr != "" {
			return &Kafka{addr: addr}, nil
		}
		k, err := StartKafka(context.Background(), KafkaOptions{})
		if err != nil {
			return nil, err
		}
		return &Kafka{addr: k.addr}, nil
	})
)

// SharedRedis gives the real Redis that tests share: the one at RedisEnv, else
// one for this test binary, started by the first test that asks. Its methods
// that would disturb others return an error. The test fails where there is none
// to be had.
func SharedRedis(tb testing.TB) *Redis {
	tb.Helper()
	r, err := sharedRedis()
	if err != nil {
		tb.Fatalf("this test needs a real Redis: %v", err)
	}
	return r
}

// SharedKafka gives the real Kafka that tests share: the one at KafkaEnv, else
// one for this test binary, started by the first test that asks. Its methods
// that would disturb others return an error. The test fails where there is none
// to be had.
func SharedKafka(tb testing.TB) *Kafka {
	tb.Helper()
	k, err := sharedKafka()
	if err != nil {
		tb.Fatalf("this test needs a real Kafka: %v", err)
	}
	return k
}

// EmbeddedServers are a Redis and a Kafka in this process, with their addresses.
type EmbeddedServers struct {
	Redis     *miniredis.Miniredis
	RedisAddr string // "127.0.0.1:port"
	Kafka     *kfake.Cluster
	KafkaAddr string // "127.0.0.1:port"
}

// Embedded starts a miniredis, on the clock of this machine, and a kfake of one
// broker with more options if given, and closes both when the test ends. Close
// clients before.
func Embedded(tb testing.TB, more ...kfake.Opt) *EmbeddedServers {
	tb.Helper()
	kafka, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, more...)...)
	if err != nil {
		tb.Fatalf("kfake: %v", err)
	}
	tb.Cleanup(kafka.Close)
	redis := miniredis.NewMiniRedis()
	redis.ClockTTL(true)
	if err := redis.Start(); err != nil {
		tb.Fatalf("miniredis: %v", err)
	}
	tb.Cleanup(redis.Close)
	return &EmbeddedServers{Redis: redis, RedisAddr: redis.Addr(), Kafka: kafka, KafkaAddr: kafka.ListenAddrs()[0]}
}

// Name gives a name that no other test uses, for keys, topics and pipelines on
// shared servers: letters, digits and underscores, beginning with the test's.
func Name(tb testing.TB) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, tb.Name())
	return clean[:min(len(clean), 100)] + "_" + strings.ToLower(rand.Text()[:12])
}
