package kafka

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// SinkSettings is the face of the sink in a pipeline file.
type SinkSettings struct {
	Connection  `yaml:",inline"`
	Topic       string              `yaml:"topic" required:"true" doc:"Where records go, unless a transform gave them another topic." example:"user_behavior_topic"`
	Key         pipeline.Expression `yaml:"key" doc:"The record's key: records of one key keep their order, in one partition (murmur2, as Java's producer). Without it records keep the key they have, or none." example:"value.user_id"`
	CreateTopic *CreateTopic        `yaml:"create_topic" doc:"Make the topic when it is missing. Without it a missing topic is waited for."`
	Compression string              `yaml:"compression" default:"snappy" enum:"none,gzip,snappy,lz4,zstd" doc:"How batches are compressed."`
	// Transaction is how long the broker waits for a silent producer before it
	// aborts: as long can a crash hide the topic from read_committed readers.
	Transaction time.Duration `yaml:"transaction_timeout" default:"15s" doc:"After this long without a word the broker aborts an open transaction; until then read_committed readers wait behind it."`
}

// Connection says how brokers are reached.
type Connection struct {
	Brokers []string `yaml:"brokers" required:"true" doc:"Where to find the cluster: host:port of one or more brokers. An item may hold several, between commas, as environment variables do." example:"[\"localhost:9092\"]"`
	TLS     *TLS     `yaml:"tls" doc:"Encrypt connections; {} takes the system's certificate authorities."`
	SASL    *SASL    `yaml:"sasl" doc:"Log in to the brokers."`
}

// CreateTopic says how a missing topic is made.
type CreateTopic struct {
	Partitions int32 `yaml:"partitions" default:"-1" doc:"How many partitions; -1: as the broker is set."`
	Replicas   int16 `yaml:"replicas" default:"-1" doc:"How many replicas; -1: as the broker is set."`
}

// TLS says whom to trust.
type TLS struct {
	CAFile     string `yaml:"ca_file" doc:"Certificate authorities to trust, PEM; default: the system's." example:"/etc/ssl/kafka-ca.pem"`
	ServerName string `yaml:"server_name" doc:"The name in the brokers' certificates, where it is not their host name."`
}

// SASL is a user and a password.
type SASL struct {
	Mechanism string          `yaml:"mechanism" default:"scram-sha-512" enum:"plain,scram-sha-256,scram-sha-512" doc:"How the password is shown to be known."`
	Username  string          `yaml:"username" required:"true" doc:"Who logs in."`
	Password  pipeline.Secret `yaml:"password" required:"true" doc:"The password; write it as ${ENV} or ${file:/run/secrets/x}." example:"${KAFKA_PASSWORD}"`
}

// Validate finds what decoding cannot. It makes an item of its own of each broker
// that was written among others, between commas.
func (s *SinkSettings) Validate() []pipeline.Problem {
	found := s.splitBrokers()
	if what, do := TopicFault(s.Topic); what != "" {
		found = append(found, pipeline.Problem{Field: "topic", What: what, Do: do})
	}
	if s.Transaction < time.Second || s.Transaction > 15*time.Minute {
		found = append(found, pipeline.Problem{Field: "transaction_timeout", What: "outside 1s to 15m", Do: "leave it out for 15s"})
	}
	if c := s.CreateTopic; c != nil && (c.Partitions == 0 || c.Partitions < -1 || c.Replicas == 0 || c.Replicas < -1) {
		found = append(found, pipeline.Problem{Field: "create_topic", What: "counts must be 1 or more", Do: "write like {partitions: 12, replicas: 3}, or leave one out for the broker's default"})
	}
	return slices.Clip(found)
}

// splitBrokers splits the items of brokers at commas, where all are addresses.
func (c *Connection) splitBrokers() []pipeline.Problem {
	var found []pipeline.Problem
	var all []string
	for i, item := range c.Brokers {
		brokers := strings.Split(item, ",")
		for j, broker := range brokers {
			broker = strings.TrimSpace(broker)
			if isAddress(broker) {
				all = append(all, broker)
				continue
			}
			what := "not an address"
			if len(brokers) > 1 {
				what = fmt.Sprintf("number %d of its %d is not an address", j+1, len(brokers))
			}
			found = append(found, pipeline.Problem{Field: fmt.Sprintf("brokers[%d]", i), What: what, Do: "write host:port, like localhost:9092"})
			break
		}
	}
	if len(found) == 0 {
		c.Brokers = all
	}
	return found
}

// isAddress tells whether a text is host:port.
func isAddress(text string) bool {
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || strings.ContainsAny(host, "/@ ") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// TopicFault tells why records cannot go to a topic of that name, and what to
// write; both are empty where they can.
func TopicFault(name string) (what, do string) {
	illegal := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	}
	switch {
	case name == positionsTopic:
		return "it holds Penstock's own positions", "choose another topic"
	case name == "" || name == "." || name == ".." || len(name) > 249 || strings.ContainsFunc(name, illegal):
		return "not a name of a Kafka topic", "write up to 249 of a-z, A-Z, 0-9, . _ and -"
	default:
		return "", ""
	}
}
