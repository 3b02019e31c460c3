package kafka

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// partitioner sends positions where they belong, dead letters by their key as
// Java's default partitioner does, and records as the settings say.
type partitioner struct {
	positions, deadLetters, records kgo.Partitioner
	deadLetter                      string // topic; empty: none
}

func newPartitioner(s SinkSettings, deadLetter string) partitioner {
	p := partitioner{positions: kgo.ManualPartitioner(), deadLetters: kgo.StickyKeyPartitioner(nil), deadLetter: deadLetter}
	switch {
	case s.Partition != "":
		p.records = chosen{}
	case s.Partitioner == roundRobin:
		p.records = kgo.RoundRobinPartitioner()
	default:
		p.records = p.deadLetters
	}
	return p
}

func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	switch topic {
	case positionsTopic:
		return p.positions.ForTopic(topic)
	case p.deadLetter:
		return p.deadLetters.ForTopic(topic)
	default:
		return p.records.ForTopic(topic)
	}
}

// chosen takes the partition that a record says. One that the topic does not have
// becomes none: the client refuses the record then, in words that nobody can
// compare.
type chosen struct{}

// none is a partition that no topic has.
const none = -1

func (c chosen) ForTopic(string) kgo.TopicPartitioner { return c }

func (chosen) RequiresConsistency(*kgo.Record) bool { return true }

func (chosen) Partition(r *kgo.Record, n int) int {
	if int(r.Partition) >= n {
		r.Partition = none
	}
	return int(r.Partition)
}

// noPartition is why a record is refused whose partition the topic does not have.
func noPartition(topic string) error {
	return &pipeline.Error{Class: pipeline.Permanent, What: "sink.partition gives a partition that topic " + topic + " does not have",
		Do: "give one from 0 to the number of partitions less 1"}
}
