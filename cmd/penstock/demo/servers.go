// Package demo is what penstock demo shows: a Redis and a Kafka inside the
// process, a pretend shop that pushes events, what arrives in Kafka, and a view of
// it all. The pipeline in between is the engine's, as in penstock run.
package demo

import (
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Servers are the Redis and the Kafka of a demo.
type Servers struct {
	RedisURL string // redis://host:port/0
	Brokers  string // host:port
	// EmbeddedRedis and EmbeddedKafka say which of them live in this process.
	EmbeddedRedis, EmbeddedKafka bool

	redis *miniredis.Miniredis
	kafka *kfake.Cluster
}

// StartServers takes the servers that are named, and starts embedded ones, on free
// ports of 127.0.0.1, for those that are not. The caller calls Close, after its
// clients are closed.
func StartServers(redisURL, brokers string) (*Servers, error) {
	s := &Servers{RedisURL: redisURL, Brokers: brokers}
	if redisURL == "" {
		s.redis = miniredis.NewMiniRedis()
		s.redis.ClockTTL(true)
		if err := s.redis.Start(); err != nil {
			return nil, fmt.Errorf("starting the embedded Redis: %w", err)
		}
		s.RedisURL, s.EmbeddedRedis = "redis://"+s.redis.Addr()+"/0", true
	}
	if brokers == "" {
		kafka, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("starting the embedded Kafka: %w", err)
		}
		s.kafka, s.Brokers, s.EmbeddedKafka = kafka, kafka.ListenAddrs()[0], true
	}
	return s, nil
}

// Close ends the embedded servers.
func (s *Servers) Close() {
	if s.kafka != nil {
		s.kafka.Close()
	}
	if s.redis != nil {
		s.redis.Close()
	}
}
