//go:build unix

package kafka

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// wantCount waits until the topic holds so many records, and gives them.
func (k *kafkaTest) wantCount(n int) []*kgo.Record {
	k.Helper()
	var found []*kgo.Record
	pipelinetest.Eventually(k, 10*time.Second, "the records are there", func() bool {
		found = k.committed(k.topic)
		return len(found) >= n
	})
	if len(found) != n {
		k.Fatalf("topic %s holds %d records, want %d", k.topic, len(found), n)
	}
	return found
}

func TestChosenPartition(t *testing.T) {
	k := onPartitions(t, 4)
	s := k.sink(func(s *SinkSettings) { s.Partition = "value.p" })
	lane, _ := k.open(s, "first")
	b := batch("list", "0", "1", "2", "3", "4")
	for i, p := range []int32{3, 0, 2, 3, 1} {
		b.Records[i].SetPartition(p)
	}
	must(t, lane.Write(t.Context(), b))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(5)}))
	for _, r := range k.wantCount(5) {
		if want := []int32{3, 0, 2, 3, 1}[r.Value[0]-'0']; r.Partition != want {
			t.Errorf("record %s is in partition %d, want %d", r.Value, r.Partition, want)
		}
	}
	b = batch("list", "fits", "does not")
	b.Records[0].SetPartition(3)
	b.Records[1].SetPartition(4)
	must(t, lane.Write(t.Context(), b))
	err := lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(7)})
	refused, ok := errors.AsType[*pipeline.Refused](err)
	if !ok || refused.Offset != b.Records[1].Offset {
		t.Errorf("got the error %v, want a refusal of the second record", err)
	}
	must(t, lane.Close(t.Context()))
	_, positions := k.open(s, "first")
	if positions["list"] != at(5) {
		t.Errorf("the positions are %v", positions)
	}
	k.wantCount(5)
}

func TestRoundRobin(t *testing.T) {
	k := onPartitions(t, 4)
	lane, _ := k.open(k.sink(func(s *SinkSettings) { s.Partitioner = roundRobin }), "first")
	must(t, lane.Write(t.Context(), batch("list", "0", "1", "2", "3", "4", "5", "6", "7")))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(8)}))
	counts := map[int32]int{}
	for _, r := range k.wantCount(8) {
		counts[r.Partition]++
	}
	for p := range int32(4) {
		if counts[p] != 2 {
			t.Errorf("partition %d has %d records of 8", p, counts[p])
		}
	}
}

// The hashes are those of Kafka's own test of murmur2 (UtilsTest, testMurmur2); its
// partitioner takes the 31 lower bits.
func TestKeysHashAsInJava(t *testing.T) {
	records := newPartitioner(SinkSettings{}, "").ForTopic("topic")
	for key, hash := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		for _, n := range []int{1, 3, 12, 1000, 1<<31 - 1} {
			if got, want := records.Partition(&kgo.Record{Key: []byte(key)}, n), int(hash&0x7fffffff)%n; got != want {
				t.Errorf("%q goes to partition %d of %d, want %d", key, got, n, want)
			}
		}
	}
}
