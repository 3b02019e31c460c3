package kafka

import (
	"slices"
	"strings"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// roundRobin is the partitioner that does not look at keys.
const roundRobin = "round_robin"

// SinkSettings is the face of the sink in a pipeline file.
type SinkSettings struct {
	Connection  `yaml:",inline"`
	Topic       string              `yaml:"topic" required:"true" doc:"Where records go, unless a transform gave them another topic." example:"user_behavior_topic"`
	Key         pipeline.Expression `yaml:"key" doc:"The record's key: records of one key keep their order, in one partition (murmur2, as Java's producer). Without it records keep the key they have, or none." example:"value.user_id"`
	Partitioner string              `yaml:"partitioner" default:"key" enum:"key,round_robin" doc:"Which partition a record goes to: key, by its key as Java's producer does (murmur2), and records without one in turn, a batch each; round_robin, each record to the next one, whatever its key."`
	Partition   pipeline.Expression `yaml:"partition" doc:"The number of the partition, in place of partitioner. A record for which it gives no number, or one that the topic does not have, is an error of that record." example:"value.shard % 12"`
	CreateTopic *CreateTopic        `yaml:"create_topic" doc:"Make the topic when it is missing. Without it a missing topic is waited for."`
	Compression string              `yaml:"compression" default:"snappy" enum:"none,gzip,snappy,lz4,zstd" doc:"How batches are compressed."`
	// Transaction is how long the broker waits for a silent producer before it
	// aborts: as long can a crash hide the topic from read_committed readers.
	Transaction time.Duration `yaml:"transaction_timeout" default:"15s" doc:"After this long without a word the broker aborts an open transaction; until then read_committed readers wait behind it."`
}

// CreateTopic says how a missing topic is made.
type CreateTopic struct {
	Partitions int32 `yaml:"partitions" default:"-1" doc:"How many partitions; -1: as the broker is set."`
	Replicas   int16 `yaml:"replicas" default:"-1" doc:"How many replicas; -1: as the broker is set."`
}

// Validate finds what decoding cannot. It makes an item of its own of each broker
// that was written among others, between commas.
func (s *SinkSettings) Validate() []pipeline.Problem {
	found := s.Connection.validate()
	if s.Partition != "" && s.Partitioner == roundRobin {
		found = append(found, pipeline.Problem{Field: "partition", What: "stands beside partitioner: round_robin", Do: "leave one of them out"})
	}
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
