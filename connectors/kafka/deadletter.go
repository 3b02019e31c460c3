package kafka

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// connectPrefix begins the names that Kafka Connect gives to headers of dead letters.
const connectPrefix = "__connect.errors."

// maxCutHeaders bounds the headers that say what was cut.
const maxCutHeaders = 512

// DeadLetters says where a sink's dead letters go.
type DeadLetters struct {
	Topic string // empty: the pipeline has none
	// Partitions: the shards are partitions of Kafka's topics, as the source kafka
	// names them, so the headers can say topic, partition and offset.
	Partitions bool
}

// deadLetter makes the dead letter of a record: its original bytes, and headers
// that say pipeline, stage, transform, error, origin and time, then the same by
// Connect's names. Where all that is above the topic's limit, headers are left out
// (Connect's where they are above a quarter), and key and value cut, with numbers
// and a SHA-256 that tell of what.
func (l *Lane) deadLetter(b *pipeline.Batch, r *pipeline.Record, now time.Time) kgo.Record {
	letter := pipeline.NewDeadLetter(l.id.Pipeline, b, r, now)
	ours := headers(letter.Described())
	room := max(0, int(l.limits.batchBytes(l.sink.deadLetters.Topic))-overhead-maxCutHeaders-size(ours))
	if theirs := l.connectHeaders(b, r, letter.Error); size(theirs) <= room/4 {
		ours, room = append(ours, theirs...), room-size(theirs)
	}
	out := kgo.Record{Topic: l.sink.deadLetters.Topic, Key: r.Key, Value: r.Original, Headers: headers(r.Headers), Timestamp: r.Time}
	if n := size(out.Headers); n > room/2 {
		ours = append(ours, header("penstock.original.headers", strconv.Itoa(len(out.Headers))))
		out.Headers = nil
	} else {
		room -= n
	}
	if len(out.Key) > room/2 {
		ours = append(ours, header("penstock.original.key.length", strconv.Itoa(len(out.Key))))
		out.Key = out.Key[:room/2]
	}
	room -= len(out.Key)
	if len(out.Value) > room {
		sum := sha256.Sum256(out.Value)
		ours = append(ours,
			header("penstock.original.length", strconv.Itoa(len(out.Value))),
			header("penstock.original.sha256", hex.EncodeToString(sum[:])))
		out.Value = out.Value[:room]
	}
	out.Headers = append(out.Headers, ours...)
	return out
}

// connectHeaders say it by the names that Kafka Connect gives to the headers of its
// dead letters (KIP-298, DeadLetterQueueReporter), for tools that know those. There
// is no stack trace. As in Connect, topic, partition and offset are those of a record of
// Kafka: other sources have none.
func (l *Lane) connectHeaders(b *pipeline.Batch, r *pipeline.Record, reason string) []kgo.RecordHeader {
	var out []kgo.RecordHeader
	if l.sink.deadLetters.Partitions {
		if topic, partition, err := partitionOfShard(b.Shard); err == nil {
			out = append(out,
				header(connectPrefix+"topic", topic),
				header(connectPrefix+"partition", strconv.Itoa(int(partition))),
				header(connectPrefix+"offset", strconv.FormatUint(r.Offset.Minor-1, 10))) // the source counts from 1
		}
	}
	return append(out,
		header(connectPrefix+"connector.name", l.id.Pipeline),
		header(connectPrefix+"task.id", strconv.Itoa(l.id.Lane)),
		header(connectPrefix+"stage", connectStage(r.Failure)),
		header(connectPrefix+"class.name", r.Failure.Stage),
		header(connectPrefix+"exception.class.name", fmt.Sprintf("%T", r.Failure.Err)),
		header(connectPrefix+"exception.message", reason))
}

// connectStage is the stage as Connect's enum Stage
// (org.apache.kafka.connect.runtime.errors.Stage) names it.
func connectStage(f *pipeline.Failure) string {
	switch {
	case f.Transform() != "":
		return "TRANSFORMATION"
	case f.Stage == "source":
		return "TASK_POLL"
	case f.Stage == "sink.key":
		return "KEY_CONVERTER"
	case f.Stage == "source.format", f.Stage == "sink.format":
		return "VALUE_CONVERTER"
	default:
		return "KAFKA_PRODUCE"
	}
}

// size is what headers hold in a record at most.
func size(headers []kgo.RecordHeader) int {
	n := 0
	for _, h := range headers {
		n += len(h.Key) + len(h.Value) + 10
	}
	return n
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}
