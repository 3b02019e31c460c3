package watermill

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill"

	"github.com/penstock-io/penstock/pipeline"
)

// RedisSourceSettings is the face of the source watermill_redisstream in a pipeline
// file.
type RedisSourceSettings struct {
	RedisConnection `yaml:",inline"`
	Topics          []string      `yaml:"topics" required:"true" doc:"The topics, which are streams; each is a shard." example:"[events]"`
	Group           string        `yaml:"consumer_group" required:"true" doc:"The consumer group. That of the service whose place this takes goes on where it was." example:"my-service"`
	Consumer        string        `yaml:"consumer" doc:"The consumer's name in the group; each process needs its own. Default: a new one for each start."`
	Start           string        `yaml:"start" default:"oldest" enum:"oldest,newest" doc:"Where a group begins that is missing."`
	ClaimIdle       time.Duration `yaml:"claim_idle" default:"1m" doc:"Take over messages that no consumer of the group has acknowledged for so long. It must be longer than a batch takes to be delivered."`
}

// RedisSinkSettings is the face of the sink watermill_redisstream in a pipeline file.
type RedisSinkSettings struct {
	RedisConnection `yaml:",inline"`
	Destination     `yaml:",inline"`
	MaxLength       int64 `yaml:"max_length" doc:"Keep about so many of the newest messages in the stream (MAXLEN ~), whether or not they were read; 0: all."`
}

// KafkaSourceSettings is the face of the source watermill_kafka in a pipeline file.
type KafkaSourceSettings struct {
	KafkaConnection `yaml:",inline"`
	Topics          []string `yaml:"topics" required:"true" doc:"The topics; each is a shard." example:"[events]"`
	Group           string   `yaml:"consumer_group" required:"true" doc:"The consumer group. That of the service whose place this takes goes on where it was." example:"my-service"`
	Start           string   `yaml:"start" default:"oldest" enum:"oldest,newest" doc:"Where a group begins that has committed nothing yet."`
}

// KafkaSinkSettings is the face of the sink watermill_kafka in a pipeline file.
type KafkaSinkSettings struct {
	KafkaConnection `yaml:",inline"`
	Destination     `yaml:",inline"`
}

// Destination says where a sink publishes.
type Destination struct {
	Topic       string              `yaml:"topic" required:"true" doc:"Where records go, unless a transform gave them another topic." example:"events"`
	Key         pipeline.Expression `yaml:"key" doc:"The record's key. Without it records keep the key they have, or none." example:"value.user_id"`
	KeyMetadata string              `yaml:"key_metadata" default:"partition_key" doc:"The metadata entry that holds the record's key."`
}

// RedisConnection says how a Redis server is reached.
type RedisConnection struct {
	URL pipeline.Secret `yaml:"url" default:"redis://localhost:6379/0" doc:"Where Redis is: redis://[user:password@]host:port/db, or rediss:// for TLS." example:"${REDIS_URL:-redis://localhost:6379/0}"`
	TLS *TLS            `yaml:"tls" doc:"Whom to trust, with rediss://."`
}

// KafkaConnection says how brokers are reached.
type KafkaConnection struct {
	Brokers []string `yaml:"brokers" required:"true" doc:"Where to find the cluster: host:port of one or more brokers. An item may hold several, between commas, as environment variables do." example:"[\"localhost:9092\"]"`
	TLS     *TLS     `yaml:"tls" doc:"Encrypt connections; {} takes the system's certificate authorities."`
	SASL    *SASL    `yaml:"sasl" doc:"Log in to the brokers, by SASL/PLAIN."`
}

// TLS says whom to trust.
type TLS struct {
	CAFile     string `yaml:"ca_file" local:"true" doc:"Certificate authorities to trust, PEM; default: the system's." example:"/etc/ssl/ca.pem"`
	ServerName string `yaml:"server_name" doc:"The name in the server's certificate, where it is not its host name."`
}

// SASL is a user and a password.
type SASL struct {
	Username string          `yaml:"username" required:"true" doc:"Who logs in."`
	Password pipeline.Secret `yaml:"password" required:"true" doc:"The password; write it as ${ENV} or ${file:/run/secrets/x}." example:"${KAFKA_PASSWORD}"`
}

// Validate finds what decoding cannot.
func (s *RedisSourceSettings) Validate() []pipeline.Problem {
	found := append(s.RedisConnection.validate(), validateTopics(s.Topics)...)
	if s.ClaimIdle < time.Second {
		found = append(found, pipeline.Problem{Field: "claim_idle", What: "less than a second", Do: "write more than a batch takes to be delivered, like 1m"})
	}
	return found
}

// Validate finds what decoding cannot.
func (s *RedisSinkSettings) Validate() []pipeline.Problem {
	found := append(s.RedisConnection.validate(), s.Destination.validate()...)
	if s.MaxLength < 0 {
		found = append(found, pipeline.Problem{Field: "max_length", What: "less than nothing", Do: "write how many messages to keep, or leave it out for all"})
	}
	return found
}

// Validate finds what decoding cannot. It makes an item of its own of each broker
// that was written among others, between commas.
func (s *KafkaSourceSettings) Validate() []pipeline.Problem {
	return append(s.KafkaConnection.validate(), validateTopics(s.Topics)...)
}

// Validate finds what decoding cannot. It makes an item of its own of each broker
// that was written among others, between commas.
func (s *KafkaSinkSettings) Validate() []pipeline.Problem {
	return append(s.KafkaConnection.validate(), s.Destination.validate()...)
}

func (d Destination) validate() []pipeline.Problem {
	if d.KeyMetadata == "" || d.KeyMetadata == uuidHeader {
		return []pipeline.Problem{{Field: "key_metadata", What: "no name that keys can have", Do: "leave it out for partition_key"}}
	}
	return nil
}

func validateTopics(topics []string) []pipeline.Problem {
	var found []pipeline.Problem
	for i, topic := range topics {
		switch {
		case topic == "":
			found = append(found, pipeline.Problem{Field: fmt.Sprintf("topics[%d]", i), What: "an empty topic", Do: "write its name"})
		case slices.Index(topics, topic) < i:
			found = append(found, pipeline.Problem{Field: fmt.Sprintf("topics[%d]", i), What: "the same topic twice", Do: "leave one of them out"})
		}
	}
	return found
}

// config gives what the TLS of both systems is made of. Errors: Permanent, where the
// file cannot be used.
func (t *TLS) config() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "tls.ca_file cannot be read", Err: err}
	}
	conf.RootCAs = x509.NewCertPool()
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "tls.ca_file holds no certificate: " + t.CAFile, Do: "write the path of a PEM file"}
	}
	return conf, nil
}

// logger lets the stock packages log: what they tell of each start is for who debugs.
func logger(log *slog.Logger) watermill.LoggerAdapter {
	return watermill.NewSlogLoggerWithLevelMapping(log, map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})
}
