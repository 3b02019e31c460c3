//go:build unix

package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// lettersOf gives what a new reader shows, sorted; at most so many.
func (k *kafkaTest) lettersOf(topic, name string, most int) (ids, values []string) {
	k.Helper()
	l := k.letters(topic, name)
	must(k, l.Each(k.Context(), func(letter pipeline.DeadLetter) bool {
		ids, values = append(ids, letter.ID), append(values, string(letter.Value))
		return len(ids) < most
	}))
	slices.Sort(values)
	return ids, values
}

func (k *kafkaTest) letters(topic, name string) *Letters {
	k.Helper()
	l, err := NewLetters(Connection{Brokers: []string{k.addr}}, topic, name)
	must(k, err)
	k.Cleanup(func() { must(k, l.Close()) })
	return l
}

func (k *kafkaTest) same(got []string, want ...string) {
	k.Helper()
	if !slices.Equal(got, want) {
		k.Errorf("got %q, want %q", got, want)
	}
}

// refuse commits a transaction of a pipeline whose records are dead letters, or gives it
// up.
func (k *kafkaTest) refuse(topic string, commit bool, from uint64, values ...string) {
	k.Helper()
	s := k.sink()
	s.deadLetters.Topic = topic
	lane, _ := k.open(s, fmt.Sprint("instance ", from))
	b := batch("events", values...)
	for i := range b.Records {
		r := &b.Records[i]
		r.Key, r.Offset.Minor = []byte(values[i]), from+uint64(i) //nolint:gosec // a test
		r.Headers = []pipeline.Header{{Key: "own", Value: []byte(values[i])}}
		r.Time = time.UnixMilli(1_700_000_000_000)
		r.Fate, r.Failure = pipeline.DeadLettered, &pipeline.Failure{Stage: "transforms[1].filter", Err: errors.New("no field x"), Attempts: 3}
	}
	must(k, lane.Write(k.Context(), b))
	if commit {
		must(k, lane.Commit(k.Context(), map[string]pipeline.Position{"events": at(from + uint64(len(values)) - 1)}))
	}
	must(k, lane.Close(k.Context()))
	k.settled(topic)
}

func TestLetters(t *testing.T) {
	k := anyKafka(t)
	topic := k.topic + "_dead"
	k.same(k.valuesOf(topic)) // there is no topic
	k.create(topic, 3, nil)
	k.same(k.valuesOf(topic))
	k.refuse(topic, true, 1, "a", "b", "c", "d", "e")
	k.refuse(topic, false, 6, "given up")
	k.refuse(topic, true, 6, "f")
	k.produce(&kgo.Record{Topic: topic, Value: []byte("a stranger's")})
	k.same(k.valuesOf(topic), "a", "b", "c", "d", "e", "f")

	var whole pipeline.DeadLetter
	must(k, k.letters(topic, k.name).Each(k.Context(), func(l pipeline.DeadLetter) bool { whole = l; return string(l.Value) != "c" }))
	want := fmt.Sprintf("%s transforms[1].filter filter no field x events 0-3 3 c [{own c}] 1700000000000 false", k.name)
	got := fmt.Sprintf("%s %s %s %s %s %s %d %s %s %d %v", whole.Pipeline, whole.Stage, whole.Transform, whole.Error, whole.Shard, whole.Offset,
		whole.Attempts, whole.Key, whole.Headers, whole.Stamp.UnixMilli(), whole.Cut)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}

	l := k.letters(topic, k.name)
	var some []string
	must(k, l.Each(k.Context(), func(letter pipeline.DeadLetter) bool {
		if v := string(letter.Value); v == "b" || v == "e" {
			some = append(some, letter.ID)
		}
		return true
	}))
	must(k, l.GivenBack(k.Context(), some))
	k.same(k.valuesOf(topic), "a", "c", "d", "f")
	k.refuse(topic, true, 7, "g")
	k.same(k.valuesOf(topic), "a", "c", "d", "f", "g")
	if _, others := k.lettersOf(topic, "another", 100); len(others) != 0 {
		t.Errorf("another pipeline has %q", others)
	}
	for range 5 { // one after the other, by readers that stop at once
		one := k.letters(topic, k.name)
		must(k, one.Each(k.Context(), func(letter pipeline.DeadLetter) bool {
			must(k, one.GivenBack(k.Context(), []string{letter.ID}))
			return false
		}))
	}
	k.same(k.valuesOf(topic))
	k.refuse(topic, true, 8, "h")
	k.same(k.valuesOf(topic), "h")
	wantError(t, l.GivenBack(k.Context(), []string{"99-1"}), pipeline.Permanent, "no dead letter that was shown")
}

func (k *kafkaTest) valuesOf(topic string) []string {
	k.Helper()
	_, values := k.lettersOf(topic, k.name, 100)
	return values
}

// TestReturn: records come again at the end of their partitions, as they were.
func TestReturn(t *testing.T) {
	k := anyKafka(t)
	topic := k.topic + "_in"
	k.create(topic, 2, nil)
	s, err := NewSource(SourceSettings{Connection: Connection{Brokers: []string{k.addr}}, Topics: []string{topic}}, k.name, slog.New(slog.DiscardHandler))
	must(t, err)
	defer s.Close() //nolint:errcheck // a test
	letters := []pipeline.DeadLetter{
		{Shard: topic + "/1", Key: []byte("k"), Value: []byte("one"), Headers: []pipeline.Header{{Key: "h", Value: []byte("x")}}, Stamp: time.UnixMilli(1_700_000_000_000)},
		{Shard: topic + "/1", Value: []byte("two"), Stamp: time.UnixMilli(1_700_000_000_001)},
		{Shard: topic + "/0", Stamp: time.UnixMilli(1_700_000_000_002)},
	}
	for i := range letters {
		must(t, s.Returns(&letters[i]))
	}
	must(t, s.Return(k.Context(), letters))
	var got []string
	for _, r := range k.committed(topic) {
		got = append(got, fmt.Sprintf("%d %s %s %v %d %v", r.Partition, r.Key, r.Value, headersOf(r), r.Timestamp.UnixMilli(), r.Value == nil))
	}
	slices.Sort(got)
	k.same(got, "0   map[] 1700000000002 true", "1  two map[] 1700000000001 false", "1 k one map[h:x] 1700000000000 false")
	for _, c := range []struct {
		letter pipeline.DeadLetter
		says   string
	}{
		{pipeline.DeadLetter{Shard: topic + "/1", Cut: true}, "not whole"},
		{pipeline.DeadLetter{Shard: "another/1"}, "does not read topic another"},
		{pipeline.DeadLetter{Shard: "list"}, "no partition"},
	} {
		wantError(t, s.Returns(&c.letter), pipeline.Permanent, c.says)
	}
}
