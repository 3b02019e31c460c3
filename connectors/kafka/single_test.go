//go:build unix

package kafka

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestBatchOfOne: what is written can be read, and says how long it is.
func TestBatchOfOne(t *testing.T) {
	for _, r := range []*kgo.Record{
		{},
		{Key: []byte{}, Value: []byte{}},
		{Value: []byte("v"), Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "", Value: nil}}},
		{Key: []byte("k"), Value: bytes.Repeat([]byte("x"), singleBytes)},
	} {
		r.Timestamp = time.UnixMilli(1764300000123)
		text := batchOfOne(r, producerID{7, 3}, 41)
		var batch kmsg.RecordBatch
		must(t, batch.ReadFrom(text))
		if int(batch.Length) != len(text)-12 || uint32(batch.CRC) != crc32.Checksum(text[21:], crc32.MakeTable(crc32.Castagnoli)) { //nolint:gosec // its bits
			t.Errorf("a batch of %d bytes says length %d and checksum %x", len(text), batch.Length, batch.CRC)
		}
		if batch.ProducerID != 7 || batch.ProducerEpoch != 3 || batch.FirstSequence != 41 || batch.NumRecords != 1 || batch.FirstTimestamp != 1764300000123 {
			t.Errorf("the head of the batch: %+v", batch)
		}
		var record kmsg.Record
		must(t, record.ReadFrom(batch.Records))
		if (record.Key == nil) != (r.Key == nil) || !bytes.Equal(record.Key, r.Key) || (record.Value == nil) != (r.Value == nil) || !bytes.Equal(record.Value, r.Value) {
			t.Errorf("key and value became %q and %.20q", record.Key, record.Value)
		}
		if again := record.AppendTo(nil); !bytes.Equal(again, batch.Records) || len(record.Headers) != len(r.Headers) {
			t.Errorf("the record of %d bytes is read as one of %d, with %d headers", len(batch.Records), len(again), len(record.Headers))
		}
	}
}

// answered gives the answer to a request of one batch, with an error code.
func answered(req kmsg.Request, code int16) kmsg.Response {
	asked := req.(*kmsg.ProduceRequest)
	resp := asked.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range asked.Topics {
		answer := kmsg.NewProduceResponseTopic()
		answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
		for _, p := range topic.Partitions {
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.Partition, partition.ErrorCode = p.Partition, code
			answer.Partitions = append(answer.Partitions, partition)
		}
		resp.Topics = append(resp.Topics, answer)
	}
	return resp
}

// TestSinglesAreRefused: whatever a broker says instead of yes, the message is stored
// once and those after it in order; what cannot be stored is an error.
func TestSinglesAreRefused(t *testing.T) {
	broken := errors.New("the connection breaks")
	for _, c := range []struct {
		name  string
		codes []int16 // of the answers, one after the other
		err   error
		want  string // in the error of Publish
	}{
		{"another leads", []int16{kerr.NotLeaderForPartition.Code}, nil, ""},
		{"another leads, for a while", []int16{kerr.NotLeaderForPartition.Code, kerr.NotLeaderForPartition.Code}, nil, ""},
		{"no such topic, for a while", []int16{kerr.UnknownTopicOrPartition.Code}, nil, ""},
		{"out of order", []int16{kerr.OutOfOrderSequenceNumber.Code}, nil, ""},
		{"slow", []int16{kerr.RequestTimedOut.Code}, nil, ""},
		{"slow, then another leads", []int16{kerr.RequestTimedOut.Code, kerr.NotLeaderForPartition.Code}, nil, ""},
		{"few replicas", []int16{kerr.NotEnoughReplicasAfterAppend.Code}, nil, ""},
		{"breaks", nil, broken, ""},
		{"slow, then refused", []int16{kerr.RequestTimedOut.Code, kerr.TopicAuthorizationFailed.Code}, nil, "may still arrive"},
		{"slow, then numbers that are wrong", []int16{kerr.RequestTimedOut.Code, kerr.OutOfOrderSequenceNumber.Code}, nil, "may still arrive"},
		{"the clock is wrong", []int16{kerr.InvalidTimestamp.Code, kerr.InvalidTimestamp.Code}, nil, "INVALID_TIMESTAMP"},
		{"refused", []int16{kerr.TopicAuthorizationFailed.Code, kerr.TopicAuthorizationFailed.Code}, nil, "TOPIC_AUTHORIZATION_FAILED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := pipelinetest.Embedded(t)
			k := on(t, e.Kafka.ListenAddrs()[0])
			k.topic = pipelinetest.Name(t)
			k.create(k.topic, 1, nil)
			pub := k.publisher()
			k.publish(pub, "first")
			k.publish(pub, "again")
			if len(pub.singles[0].conns) != 1 {
				t.Fatal("no message was sent singly")
			}
			left := c.codes
			e.Kafka.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
				if c.err != nil {
					return nil, c.err, true
				}
				if len(left) == 0 {
					return nil, nil, false
				}
				e.Kafka.KeepControl()
				code := left[0]
				left = left[1:]
				return answered(req, code), nil, true
			})
			want := []string{"first", "again", "second", "third", "fourth"}
			err := pub.Publish(k.topic, message.NewMessage("second", []byte("second")))
			if c.want == "" {
				must(t, err)
			} else {
				want = slices.Delete(want, 2, 3)
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "message second") {
					t.Errorf("got the error %v, want one of message second with %q", err, c.want)
				}
			}
			k.publish(pub, "third")
			pub.singles[0].restUntil = time.Time{}
			k.publish(pub, "fourth")
			k.wantCommitted(k.topic, want...)
		})
	}
}

// deaf is a connection on which the next answer is lost, after it has come.
type deaf struct {
	net.Conn
}

func (d deaf) Read(into []byte) (int, error) {
	if _, err := d.Conn.Read(into); err != nil {
		return 0, err
	}
	return 0, errors.New("the connection breaks")
}

// TestSingleAnswerLost: a message that was stored, and whose answer is lost, is sent
// again, and stored once.
func TestSingleAnswerLost(t *testing.T) {
	k := onPartitions(t, 1)
	pub := k.publisher()
	k.publish(pub, "first")
	want := []string{"first"}
	for i := range 5 {
		pub.singles[0].restUntil = time.Time{}
		k.publish(pub, fmt.Sprint(i, " heard"))
		for _, c := range pub.singles[0].conns {
			c.in.Reset(deaf{c.Conn})
		}
		k.publish(pub, fmt.Sprint(i, " lost"))
		if len(pub.singles[0].conns) != 0 {
			t.Fatal("the answer was not lost")
		}
		want = append(want, fmt.Sprint(i, " heard"), fmt.Sprint(i, " lost"))
	}
	k.wantCommitted(k.topic, want...)
}

// TestSinglesGoWhereOthersGo: a key has one partition, however its messages are sent;
// messages without one go to all.
func TestSinglesGoWhereOthersGo(t *testing.T) {
	k := onPartitions(t, 3)
	pub := k.publisher(func(c *PublisherConfig) {
		c.Key = func(_ string, m *message.Message) (string, error) { return m.UUID[:1], nil }
	})
	bare := k.publisher()
	for _, key := range []string{"a", "b", "c", "d"} {
		k.publish(pub, key+" alone")
		k.publish(pub, key+" alone")
		k.publish(pub, key+" not", key+" alone")
	}
	for i := range 20 {
		k.publish(bare, fmt.Sprint(i))
	}
	of, used := map[string]int32{}, map[int32]bool{}
	for _, r := range k.committed(k.topic) {
		if r.Key == nil {
			used[r.Partition] = true
			continue
		}
		if at, known := of[string(r.Key)]; known && at != r.Partition {
			t.Errorf("key %s went to the partitions %d and %d", r.Key, at, r.Partition)
		}
		of[string(r.Key)] = r.Partition
	}
	if len(of) != 4 || len(used) != 3 {
		t.Errorf("%d keys came, of 4; messages without one are in %d partitions, of 3", len(of), len(used))
	}
}
