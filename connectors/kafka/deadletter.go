package kafka

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// maxReason bounds the text of an error in a header.
const maxReason = 1 << 10

// deadLetter makes the dead letter of a record: its original bytes, and headers
// that say pipeline, stage, error, origin and time. Where the original is above
// the topic's limit it is cut, with its length and SHA-256 in headers.
func (l *Lane) deadLetter(b *pipeline.Batch, r *pipeline.Record, now time.Time) kgo.Record {
	reason := r.Failure.Err.Error()
	out := kgo.Record{
		Topic: l.sink.deadLetter, Key: r.Key, Value: r.Original, Timestamp: r.Time,
		Headers: append(headers(r.Headers),
			header("penstock.pipeline", l.id.Pipeline),
			header("penstock.stage", r.Failure.Stage),
			header("penstock.error", reason[:min(len(reason), maxReason)]),
			header("penstock.origin", b.Shard+" "+r.Offset.String()),
			header("penstock.time", now.UTC().Format(time.RFC3339Nano)),
		),
	}
	room := int(l.limits.batchBytes(out.Topic)) - overhead - maxReason
	if len(out.Key) > room/2 {
		out.Key = out.Key[:room/2]
	}
	room -= len(out.Key)
	for _, h := range out.Headers {
		room -= len(h.Key) + len(h.Value) + 10
	}
	if len(out.Value) > max(room, 0) {
		sum := sha256.Sum256(out.Value)
		out.Headers = append(out.Headers,
			header("penstock.original.length", strconv.Itoa(len(out.Value))),
			header("penstock.original.sha256", hex.EncodeToString(sum[:])))
		out.Value = out.Value[:max(room, 0)]
	}
	return out
}

func header(key, value string) kgo.RecordHeader {
	return kgo.RecordHeader{Key: key, Value: []byte(value)}
}
