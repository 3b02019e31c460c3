//go:build e2e && unix

package kafka

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestHangingTransactionsEndAsTheyWereMeantTo: what a broker leaves open in a crash
// is made here with one that lets a producer write to a partition of which its
// coordinator does not know.
func TestHangingTransactionsEndAsTheyWereMeantTo(t *testing.T) {
	broker, err := pipelinetest.StartKafka(t.Context(), pipelinetest.KafkaOptions{Heap: "512m",
		Properties: map[string]string{"transaction.partition.verification.enable": "false"}})
	must(t, err)
	t.Cleanup(func() { must(t, broker.Stop()) })
	t.Run("commit", func(t *testing.T) {
		k := on(t, broker.Addr())
		lane := k.lane()
		k.deliver(lane, "1", "2", "3")
		k.hang(lane, k.topic, 1, "hung")
		k.blocked("behind the hanging transaction")
		k.deliver(k.lane(), "4")
		k.holdsAll("1", "2", "3", "4", "hung")
	})
	t.Run("abort", func(t *testing.T) {
		k := on(t, broker.Addr())
		lane := k.lane()
		k.deliver(lane, "1", "2", "3")
		must(t, lane.Write(t.Context(), k.batch("given up")))
		must(t, lane.client.Flush(t.Context()))
		must(t, lane.client.EndTransaction(t.Context(), kgo.TryAbort))
		k.hang(lane, k.topic, 1, "hung")
		k.blocked("behind the hanging transaction")
		k.deliver(k.lane(), "4")
		k.holdsAll("1", "2", "3", "4")
	})
	t.Run("while the lane goes on", func(t *testing.T) {
		k := on(t, broker.Addr())
		lane := k.lane()
		k.deliver(lane, "1")
		k.hang(lane, k.topic, 1, "hung")
		lane.doubt.Store(true) // as when the coordinator did not answer
		wantError(t, lane.Write(t.Context(), k.batch("2")), pipeline.Retryable, "lost the markers", k.topic+"/1")
		must(t, lane.Close(t.Context()))
		k.deliver(k.lane(), "2")
		k.holdsAll("1", "2", "hung")
	})
}

// lane opens the lane as a new process does.
func (k *kafkaTest) lane() *Lane {
	k.Helper()
	lane, _ := k.open(k.sink(), "one")
	return lane.(*Lane)
}

func (k *kafkaTest) batch(values ...string) *pipeline.Batch {
	b := &pipeline.Batch{Shard: "s"}
	for i, v := range values {
		r := b.Add()
		r.Key, r.Value, r.Offset = []byte(v), pipeline.RawValue([]byte(v)), pipeline.Offset{Minor: uint64(i)}
	}
	return b
}

func (k *kafkaTest) deliver(l *Lane, values ...string) {
	k.Helper()
	must(k, l.Write(k.Context(), k.batch(values...)))
	must(k, l.Commit(k.Context(), nil))
	<-l.over
}

// holdsAll checks what a read_committed consumer sees, in any order.
func (k *kafkaTest) holdsAll(want ...string) {
	k.Helper()
	var got []string
	for _, r := range k.committed(k.topic) {
		got = append(got, string(r.Value))
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		k.Errorf("delivered are %q, want %q", got, want)
	}
}

// blocked checks that the last stable offset lies before the end.
func (k *kafkaTest) blocked(what string) {
	k.Helper()
	stable, err := k.admin.ListCommittedOffsets(k.Context(), k.topic)
	must(k, err)
	ends, err := k.admin.ListEndOffsets(k.Context(), k.topic)
	must(k, err)
	if s, e := stable[k.topic][1].Offset, ends[k.topic][1].Offset; s >= e {
		k.Fatalf("nothing waits %s: %d, %d", what, s, e)
	}
}

// hang leaves a record of the lane's producer in a partition, in a transaction that
// its coordinator does not know.
func (k *kafkaTest) hang(l *Lane, topic string, partition int32, value string) {
	k.Helper()
	id, epoch, err := l.client.ProducerID(k.Context())
	must(k, err)
	record := kmsg.Record{Key: []byte(value), Value: []byte(value)}
	record.Length = int32(len(record.AppendTo(nil)) - 1)
	now := time.Now().UnixMilli()
	batch := kmsg.RecordBatch{
		Magic: 2, Attributes: 0x10, FirstTimestamp: now, MaxTimestamp: now, PartitionLeaderEpoch: -1,
		ProducerID: id, ProducerEpoch: epoch, NumRecords: 1, Records: record.AppendTo(nil),
	}
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	req := kmsg.NewPtrProduceRequest()
	txn := transactionalID(l.id)
	req.TransactionID, req.Acks, req.TimeoutMillis = &txn, -1, 5000
	t, p := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, raw
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	client, err := l.sink.older(req.Key(), 11)
	must(k, err)
	defer client.Close()
	meta, err := k.admin.ListTopics(k.Context(), topic)
	must(k, err)
	sent, err := client.Broker(int(meta[topic].Partitions[partition].Leader)).Request(k.Context(), req)
	must(k, err)
	resp := sent.(*kmsg.ProduceResponse)
	must(k, kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode))
}
