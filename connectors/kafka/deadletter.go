package kafka

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

const (
	// maxReason bounds the text of an error in a header.
	maxReason = 1 << 10
	// maxCutHeaders bounds the headers that say what was cut.
	maxCutHeaders = 512
)

// deadLetter makes the dead letter of a record: its original bytes, and headers
// that say pipeline, stage, error, origin and time. Where all that is above the
// topic's limit, headers are left out, and key and value cut, with numbers and a
// SHA-256 that tell of what.
func (l *Lane) deadLetter(b *pipeline.Batch, r *pipeline.Record, now time.Time) kgo.Record {
	reason := r.Failure.Err.Error()
	ours := []kgo.RecordHeader{
		header("penstock.pipeline", l.id.Pipeline),
		header("penstock.stage", r.Failure.Stage),
		header("penstock.error", reason[:min(len(reason), maxReason)]),
		header("penstock.origin", b.Shard+" "+r.Offset.String()),
		header("penstock.time", now.UTC().Format(time.RFC3339Nano)),
	}
	room := max(0, int(l.limits.batchBytes(l.sink.deadLetter))-overhead-maxCutHeaders-size(ours))
	out := kgo.Record{Topic: l.sink.deadLetter, Key: r.Key, Value: r.Original, Headers: headers(r.Headers), Timestamp: r.Time}
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
