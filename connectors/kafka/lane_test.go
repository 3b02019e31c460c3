//go:build unix

package kafka

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

func TestLaneKeepsRecordsAndPositionsTogether(t *testing.T) {
	k := anyKafka(t)
	s := k.sink()
	lane, positions := k.open(s, "first")
	if len(positions) != 0 {
		t.Errorf("a new pipeline has the positions %v", positions)
	}
	b := batch("list", "one", "two", "filtered", "three")
	b.Records[2].Fate = pipeline.Filtered
	b.Records[3].Headers = []pipeline.Header{{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("2")}}
	must(t, lane.Write(t.Context(), b))
	k.wantCommitted(k.topic)
	want := map[string]pipeline.Position{
		"list": {Incarnation: "I", Offset: pipeline.Offset{Minor: 4},
			Evidence: pipeline.Evidence{Hash: "abc", Added: 1<<63 + 1, EntriesAdded: 1<<64 - 1, ReplicationID: "r"}},
		"0/claim":       {Incarnation: "slashes", Offset: pipeline.Offset{Major: 1<<64 - 1, Minor: 1<<64 - 1}},
		"a/b%2Fc d\x00": {Incarnation: "odd"},
	}
	must(t, lane.Commit(t.Context(), want))
	last := k.wantCommitted(k.topic, "one", "two", "three")[2]
	if string(last.Key) != "key" || last.Timestamp.UnixMilli() != 1_700_000_000_000 || len(last.Headers) != 2 || string(last.Headers[1].Value) != "2" {
		t.Errorf("the record came as %+v", last)
	}
	must(t, lane.Write(t.Context(), batch("list", "never committed")))
	must(t, lane.Close(t.Context()))
	_, positions = k.open(s, "first")
	if !reflect.DeepEqual(positions, want) {
		t.Errorf("the positions came back as %+v, want %+v", positions, want)
	}
	k.wantCommitted(k.topic, "one", "two", "three")
}

func TestLaneCommitsAgainAndAgain(t *testing.T) {
	k := anyKafka(t)
	s := k.sink()
	lane, _ := k.open(s, "first")
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprint("event ", i))
		must(t, lane.Write(t.Context(), batch("list", want[i])))
		must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(uint64(i + 1))}))
	}
	must(t, lane.Commit(t.Context(), nil)) // nothing
	must(t, lane.Close(t.Context()))
	k.wantCommitted(k.topic, want...)
	if _, positions := k.open(s, "first"); positions["list"] != at(30) {
		t.Errorf("the positions are %v", positions)
	}
}

// A commit that says that it went well must have: franz-go aborts the first
// transaction of a client without a word where metadata comes slowly.
// Each transaction writes to a topic that the client does not know yet, and to the
// one before: its sequence numbers there must start anew (see Lane.noted).
func TestLaneCommitsToNewTopics(t *testing.T) {
	k := anyKafka(t)
	var topics []string
	for i := range 20 {
		topics = append(topics, fmt.Sprintf("%s_%d", k.topic, i))
		k.create(topics[i], 1, nil)
	}
	lane, _ := k.open(k.sink(), "first")
	for i := 1; i < len(topics); i++ {
		b := batch("list", "again", "new")
		b.Records[0].Topic, b.Records[1].Topic = topics[i-1], topics[i]
		must(t, lane.Write(t.Context(), b))
		must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(uint64(i))}))
	}
	k.wantCommitted(topics[0], "again")
	for _, topic := range topics[1 : len(topics)-1] {
		k.wantCommitted(topic, "new", "again")
	}
	k.wantCommitted(topics[len(topics)-1], "new")
}

func TestLaneOpensAgainAndAgain(t *testing.T) {
	k := anyKafka(t)
	s := k.sink()
	for i := range 40 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		lane, positions, err := s.Open(ctx, k.id("first"))
		cancel()
		must(t, err)
		if i > 0 && positions["list"] != at(uint64(i)) {
			t.Fatalf("opened %d times, the positions are %v", i, positions)
		}
		must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(uint64(i + 1))}))
		must(t, lane.Close(t.Context()))
	}
}

func TestPipelinesDoNotSeeEachOther(t *testing.T) {
	k := anyKafka(t)
	lane, _ := k.open(k.sink(), "first")
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
	other := *k
	for _, name := range []string{k.name + "2", k.name[:len(k.name)-1]} {
		other.name = name
		if _, positions := other.open(other.sink(), "other"); len(positions) != 0 {
			t.Errorf("pipeline %s sees %v of %s", name, maps.Keys(positions), k.name)
		}
	}
}

func TestLaneTakenOver(t *testing.T) {
	k := anyKafka(t)
	ours, theirs := k.sink(), k.sink()
	lane, _ := k.open(ours, "ours")
	must(t, lane.Write(t.Context(), batch("list", "of the zombie")))
	rival, _ := k.open(theirs, "theirs")
	if err := lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(99)}); err == nil {
		t.Fatal("a lane that was taken over has committed")
	}
	must(t, lane.Close(t.Context()))
	_, _, err := ours.Open(t.Context(), k.id("ours"))
	wantError(t, err, pipeline.Fenced, k.name, "taken over by theirs")
	// The one that lost has fenced nobody in turn.
	must(t, rival.Write(t.Context(), batch("list", "of the rival")))
	must(t, rival.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
	must(t, rival.Close(t.Context()))
	k.wantCommitted(k.topic, "of the rival")
	if _, positions := k.open(theirs, "theirs"); positions["list"] != at(1) {
		t.Errorf("the positions are %v", positions)
	}
}

// TestLaneTakenBack: with a lease, one that was fenced has its turn again.
func TestLaneTakenBack(t *testing.T) {
	k := anyKafka(t)
	ours, theirs := k.sink(), k.sink()
	lane, _ := k.open(ours, "ours")
	rival, _ := k.open(theirs, "theirs")
	must(t, rival.Write(t.Context(), batch("list", "of the rival")))
	must(t, rival.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
	if err := lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(99)}); err == nil {
		t.Fatal("a lane that was taken over has committed")
	}
	must(t, lane.Close(t.Context()))
	id := k.id("ours")
	id.Anew = true
	lane, positions, err := ours.Open(t.Context(), id)
	must(t, err)
	if positions["list"] != at(1) {
		t.Errorf("the positions are %v", positions)
	}
	must(t, lane.Write(t.Context(), batch("list", "of ours")))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(2)}))
	must(t, lane.Close(t.Context()))
	if err := rival.Commit(t.Context(), map[string]pipeline.Position{"list": at(99)}); err == nil {
		t.Fatal("a lane that was taken back has committed")
	}
	must(t, rival.Close(t.Context()))
	k.wantCommitted(k.topic, "of the rival", "of ours")
	_, _, err = theirs.Open(t.Context(), k.id("theirs"))
	wantError(t, err, pipeline.Fenced, "taken over by ours")
}

func TestLaneClosed(t *testing.T) {
	k := anyKafka(t)
	lane, _ := k.open(k.sink(), "first")
	must(t, lane.Write(t.Context(), batch("list", "never")))
	must(t, lane.Close(t.Context()))
	must(t, lane.Close(t.Context()))
	if lane.Write(t.Context(), batch("list", "late")) == nil || lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}) == nil {
		t.Error("a closed lane has taken something")
	}
	k.wantCommitted(k.topic)
}

func TestLaneMissingTopic(t *testing.T) {
	k := anyKafka(t)
	missing := func(s *SinkSettings) { s.Topic = k.topic + "_missing" }
	_, _, err := k.sink(missing).Open(t.Context(), k.id("first"))
	wantError(t, err, pipeline.Unreachable, "topic "+k.topic+"_missing does not exist", "create_topic")
	s := k.sink(missing, func(s *SinkSettings) { s.CreateTopic = &CreateTopic{Partitions: 5, Replicas: 1} })
	s.deadLetters.Topic = k.topic + "_dead"
	lane, _ := k.open(s, "first")
	must(t, lane.Write(t.Context(), batch("list", "one")))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
	k.wantCommitted(k.topic+"_missing", "one")
	made, err := k.admin.ListTopics(t.Context(), k.topic+"_missing", k.topic+"_dead")
	must(t, err)
	if n, dead := len(made[k.topic+"_missing"].Partitions), len(made[k.topic+"_dead"].Partitions); n != 5 || dead != 1 {
		t.Errorf("the topics were made with %d and %d partitions", n, dead)
	}
}

func TestLaneChecksTheSizeOfRecords(t *testing.T) {
	k := anyKafka(t)
	small := k.topic + "_small"
	k.create(small, 1, map[string]*string{"max.message.bytes": new("10000")})
	lane, _ := k.open(k.sink(func(s *SinkSettings) { s.Topic, s.Compression = small, "none" }), "first")
	fits := batch("list", strings.Repeat("x", 10_000-overhead-len("key")))
	largest := string(fits.Records[0].Value.Raw())
	must(t, lane.Check(&fits.Records[0]))
	must(t, lane.Write(t.Context(), fits))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
	k.wantCommitted(small, largest)
	wantError(t, lane.Check(&batch("list", strings.Repeat("x", 10_001-overhead-len("key"))).Records[0]), pipeline.Permanent,
		"topic "+small+" takes", "max.message.bytes")
	// What Check was not asked about is refused, and nothing of it is committed.
	must(t, lane.Write(t.Context(), batch("list", "small", strings.Repeat("x", 10_000))))
	refused, ok := errors.AsType[*pipeline.Refused](lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(2)}))
	if !ok || refused.Shard != "list" || refused.Offset.Minor != 2 {
		t.Errorf("the sink refused %+v", refused)
	}
	must(t, lane.Close(t.Context()))
	k.wantCommitted(small, largest)
}

// dead gives the dead letter of a record, as a reader finds it.
func (k *kafkaTest) dead(limit string, change func(*pipeline.Record)) *kgo.Record {
	k.Helper()
	s := k.sink()
	s.deadLetters.Topic = k.topic + "_dead_" + limit
	k.create(s.deadLetters.Topic, 1, map[string]*string{"max.message.bytes": new(limit)})
	lane, _ := k.open(s, "first")
	b := batch("a list", "the original")
	b.Records[0].Fate, b.Records[0].Failure = pipeline.DeadLettered, &pipeline.Failure{Stage: "transforms[1].filter", Err: errors.New("no field x")}
	change(&b.Records[0])
	must(k, lane.Write(k.Context(), b))
	must(k, lane.Commit(k.Context(), map[string]pipeline.Position{"a list": at(1)}))
	k.wantCommitted(k.topic)
	for {
		if letters := k.committed(s.deadLetters.Topic); len(letters) == 1 {
			return letters[0]
		}
		must(k, k.Context().Err())
	}
}

func headersOf(r *kgo.Record) map[string]string {
	found := map[string]string{}
	for _, h := range r.Headers {
		found[h.Key] = string(h.Value)
	}
	return found
}

func TestDeadLetter(t *testing.T) {
	k := anyKafka(t)
	letter := k.dead("100000", func(r *pipeline.Record) {
		r.Value = pipeline.RawValue([]byte("changed"))
		r.Headers = []pipeline.Header{{Key: "own", Value: []byte("kept")}}
		r.Failure.Attempts = 3
	})
	got := headersOf(letter)
	if got["penstock.time"] == "" || string(letter.Value) != "the original" || string(letter.Key) != "key" {
		t.Errorf("the dead letter is %+v", letter)
	}
	delete(got, "penstock.time")
	want := map[string]string{"own": "kept", "penstock.pipeline": k.name, "penstock.stage": "transforms[1].filter",
		"penstock.transform": "filter", "penstock.attempts": "3", "penstock.error": "no field x", "penstock.origin": "a list 0-1",
		"__connect.errors.connector.name": k.name, "__connect.errors.task.id": "0", "__connect.errors.stage": "TRANSFORMATION",
		"__connect.errors.class.name": "transforms[1].filter", "__connect.errors.exception.class.name": "*errors.errorString",
		"__connect.errors.exception.message": "no field x"}
	if !maps.Equal(got, want) {
		t.Errorf("its headers are %v, want %v", got, want)
	}
}

func TestDeadLetterThatDoesNotFit(t *testing.T) {
	k := anyKafka(t)
	original := strings.Repeat("0123456789", 5_000)
	sum := sha256.Sum256([]byte(original))
	letter := k.dead("20000", func(r *pipeline.Record) {
		r.Original = []byte(original)
		r.Failure.Err = errors.New(strings.Repeat("long ", 1_000))
	})
	got := headersOf(letter)
	if got["penstock.original.length"] != "50000" || got["penstock.original.sha256"] != hex.EncodeToString(sum[:]) {
		t.Errorf("the headers are %v", got)
	}
	if n := len(letter.Value); n < 10_000 || !strings.HasPrefix(original, string(letter.Value)) || len(got["penstock.error"]) != 1<<10 {
		t.Errorf("%d bytes are left of the original, %d of the reason", n, len(got["penstock.error"]))
	}
	letter = k.dead("20001", func(r *pipeline.Record) {
		r.Key = []byte(strings.Repeat("k", 30_000))
		r.Headers = []pipeline.Header{{Key: "large", Value: []byte(original)}, {Key: "small"}}
	})
	got = headersOf(letter)
	if _, large := got["large"]; large || got["penstock.original.headers"] != "2" || got["penstock.original.key.length"] != "30000" || string(letter.Value) != "the original" {
		t.Errorf("the headers are %.500v, the value has %d bytes", got, len(letter.Value))
	}
}

// Vectors of Java's default partitioner: Utils.murmur2 of the key, made positive,
// modulo the partitions.
func TestKeysArePartitionedAsJavaDoes(t *testing.T) {
	hashes := map[string]int32{ // org.apache.kafka.common.utils.UtilsTest
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
	}
	p := partitioner{positions: kgo.ManualPartitioner(), records: kgo.StickyKeyPartitioner(nil)}.ForTopic("topic")
	for key, hash := range hashes {
		for _, n := range []int{1, 3, 12, 1000} {
			if got, want := p.Partition(&kgo.Record{Key: []byte(key)}, n), int(hash&0x7fffffff)%n; got != want {
				t.Errorf("key %q goes to partition %d of %d, Java's to %d", key, got, n, want)
			}
		}
	}
}

func TestUnreachableKafka(t *testing.T) {
	settings := SinkSettings{Topic: "t", Compression: "none", Transaction: 15_000_000_000}
	settings.Brokers = []string{"127.0.0.1:1"}
	s, err := NewSink(settings, pipeline.ExactlyOnce, DeadLetters{}, slog.New(slog.DiscardHandler))
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, _, err = s.Open(ctx, pipeline.LaneID{Pipeline: "p", Lanes: 1, Instance: "i"})
	wantError(t, err, pipeline.Unreachable, "127.0.0.1:1")
	must(t, s.Close())
	must(t, s.Close())
}
