package kafka

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// castagnoli is the polynomial of a batch's checksum.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Where in a batch its length and its checksum stand, and what they count begins:
// https://kafka.apache.org/documentation/#recordbatch.
const (
	batchLengthAt, batchLengthFrom = 8, 12
	batchSumAt, batchSumFrom       = 17, 21
)

// batchOfOne writes a record as a batch of its own, not compressed, numbered for the
// idempotent producer.
func batchOfOne(r *kgo.Record, id producerID, sequence int32) []byte {
	record := kmsg.Record{Key: r.Key, Value: r.Value, Headers: make([]kmsg.Header, len(r.Headers))}
	for i, h := range r.Headers {
		record.Headers[i] = kmsg.Header{Key: h.Key, Value: h.Value}
	}
	empty := len(record.AppendTo(nil))
	record.Length = int32(empty - 1) //nolint:gosec // its own length of 0 takes a byte; a record is at most singleBytes
	at := r.Timestamp.UnixMilli()
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1,
		Magic:                2,
		FirstTimestamp:       at,
		MaxTimestamp:         at,
		ProducerID:           id.id,
		ProducerEpoch:        id.epoch,
		FirstSequence:        sequence,
		NumRecords:           1,
		Records:              record.AppendTo(nil),
	}
	out := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(out[batchLengthAt:], uint32(len(out)-batchLengthFrom)) //nolint:gosec // as above
	binary.BigEndian.PutUint32(out[batchSumAt:], crc32.Checksum(out[batchSumFrom:], castagnoli))
	return out
}
