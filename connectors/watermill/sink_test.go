package watermill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// lane opens a lane of a sink over a ledger.
func open(t *testing.T, l *ledger, c SinkConfig) (*Sink, pipeline.Lane) {
	t.Helper()
	s := NewSink(l, c)
	lane, positions, err := s.Open(t.Context(), pipeline.LaneID{Pipeline: "p", Lanes: 1, Instance: "i"})
	if err != nil || positions != nil {
		t.Fatalf("Open: %v, %v", positions, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil || !l.closed {
			t.Errorf("Close: %v; the publisher is closed: %v", err, l.closed)
		}
	})
	return s, lane
}

// deliver writes and commits a batch.
func deliver(t *testing.T, l pipeline.Lane, b *pipeline.Batch) error {
	t.Helper()
	if err := l.Write(t.Context(), b); err != nil {
		return err
	}
	return l.Commit(t.Context(), map[string]pipeline.Position{b.Shard: b.After})
}

func batch(values ...string) *pipeline.Batch {
	b := &pipeline.Batch{Shard: "shard", After: pipeline.Position{Incarnation: "life", Offset: pipeline.Offset{Minor: uint64(len(values))}}}
	for i, v := range values {
		r := b.Add()
		r.Value, r.Original, r.Offset.Minor = pipeline.RawValue([]byte(v)), []byte(v), uint64(i+1)
	}
	return b
}

func TestMessages(t *testing.T) {
	l := newLedger()
	_, lane := open(t, l, SinkConfig{Topic: "out", KeyMetadata: "k", DeadLetter: "dead"})
	b := batch("plain", "whole", "bad", "elsewhere", "filtered")
	b.Records[1].Key = []byte("key")
	b.Records[1].Headers = []pipeline.Header{{Key: uuidHeader, Value: []byte("its own")}, {Key: "h", Value: []byte("first")}, {Key: "h", Value: []byte("last")}}
	b.Records[2].Value = pipeline.RawValue([]byte("changed"))
	b.Records[2].Fate, b.Records[2].Failure = pipeline.DeadLettered, &pipeline.Failure{Stage: "transforms[0].x", Err: errors.New(strings.Repeat("no", 1000))}
	b.Records[3].Topic = "other"
	b.Records[4].Fate = pipeline.Filtered
	if err := deliver(t, lane, b); err != nil {
		t.Fatal(err)
	}
	b.Reset() // a publisher may keep what it has
	if topics := slices.Sorted(maps.Keys(l.topics)); !slices.Equal(topics, []string{"dead", "other", "out"}) || !slices.Equal(l.got(), []string{"plain", "whole", "bad", "elsewhere"}) {
		t.Errorf("%q in topics %v", l.got(), topics)
	}
	plain, whole, dead := l.topics["out"][0], l.topics["out"][1], l.topics["dead"][0]
	if len(plain.Metadata) != 0 || len(plain.UUID) != 36 {
		t.Errorf("plain: %q %v", plain.UUID, plain.Metadata)
	}
	if whole.UUID != "its own" || !maps.Equal(whole.Metadata, message.Metadata{"h": "last", "k": "key"}) {
		t.Errorf("whole: %q %v", whole.UUID, whole.Metadata)
	}
	if dead.Metadata["penstock.pipeline"] != "p" || dead.Metadata["penstock.stage"] != "transforms[0].x" || dead.Metadata["penstock.transform"] != "x" || dead.Metadata["penstock.origin"] != "shard 0-3" ||
		len(dead.Metadata["penstock.error"]) != 1<<10 || dead.Metadata["penstock.time"] == "" {
		t.Errorf("dead: %v", dead.Metadata)
	}
}

// TestUUIDs: the same record has the same one each time, any other another.
func TestUUIDs(t *testing.T) {
	seen := map[string]string{}
	for _, pipe := range []string{"p", "q"} {
		for _, shard := range []string{"s", "t"} {
			for _, life := range []string{"", "1"} {
				for n := range uint64(3) {
					what := fmt.Sprint(pipe, shard, life, n)
					b, r := &pipeline.Batch{Shard: shard, After: pipeline.Position{Incarnation: life}}, &pipeline.Record{Offset: pipeline.Offset{Major: n}}
					id := originUUID(pipe, b, r)
					if other, taken := seen[id]; taken || id != originUUID(pipe, b, r) || id[14] != '5' || !strings.ContainsRune("89ab", rune(id[19])) {
						t.Errorf("%s has %s, and so has %s", what, id, other)
					}
					seen[id] = what
				}
			}
		}
	}
}

func TestNoTopics(t *testing.T) {
	_, lane := open(t, newLedger(), SinkConfig{})
	b := batch("lost")
	if err := lane.Check(&b.Records[0]); pipeline.ClassOf(err) != pipeline.Permanent {
		t.Errorf("Check of a record without a topic: %v", err)
	}
	b.Records[0].Topic = "out"
	if err := lane.Check(&b.Records[0]); err != nil {
		t.Error(err)
	}
	b.Records[0].Fate = pipeline.DeadLettered
	if err := deliver(t, lane, b); pipeline.ClassOf(err) != pipeline.Permanent {
		t.Errorf("a dead letter without a topic: %v", err)
	}
}

// TestOrderOverChunks: a commit is as many calls as it takes, in order.
func TestOrderOverChunks(t *testing.T) {
	l := newLedger()
	_, lane := open(t, l, SinkConfig{Topic: "out"})
	values := numbers(3*publishChunk + 1)
	if err := deliver(t, lane, batch(values...)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(l.got(), values) || l.calls != 4 {
		t.Errorf("%d messages in %d calls", len(l.got()), l.calls)
	}
}

// TestPublishThatHangs: it holds up neither Close nor the next lane's opening; the
// next lane publishes after it, and the sink waits for it.
func TestPublishThatHangs(t *testing.T) {
	l := newLedger()
	let, hangs := make(chan struct{}), make(chan struct{}, 1)
	l.publish = func(_ string, messages []*message.Message) error {
		if string(messages[0].Payload) == "value 0" {
			hangs <- struct{}{}
			<-let
		}
		return nil
	}
	s, old := open(t, l, SinkConfig{Topic: "out"})
	done := make(chan error, 1)
	go func() { done <- deliver(t, old, batch(numbers(publishChunk+1)...)) }()
	<-hangs
	if err := old.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, errClosed) {
		t.Errorf("Commit beside Close: %v", err)
	}
	fresh, _, err := s.Open(t.Context(), pipeline.LaneID{Pipeline: "p", Lanes: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := errors.Join(fresh.Write(ctx, batch("after")), fresh.Commit(ctx, nil)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Commit beside an earlier one: %v", err)
	}
	close(let)
	if err := fresh.Commit(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if want := append(numbers(publishChunk), "after"); !slices.Equal(l.got(), want) {
		t.Errorf("published %d: the first call to its end, and then what follows", len(l.got()))
	}
}

// TestErrorsOfPublish have classes, and end the lane.
func TestErrorsOfPublish(t *testing.T) {
	l := newLedger()
	never := errors.New("too large")
	fail := errors.New("away")
	l.publish = func(string, []*message.Message) error { return fail }
	s, lane := open(t, l, SinkConfig{Topic: "out", Refused: func(err error) bool { return errors.Is(err, never) }})
	if err := deliver(t, lane, batch("1")); pipeline.ClassOf(err) != pipeline.Unreachable || !errors.Is(err, fail) {
		t.Errorf("Commit: %v", err)
	}
	if err := deliver(t, lane, batch("1")); !errors.Is(err, errClosed) {
		t.Errorf("a dead lane: %v", err)
	}
	fail = never
	lane, _, _ = s.Open(t.Context(), pipeline.LaneID{Pipeline: "p", Lanes: 1})
	var refused *pipeline.Refused
	if err := deliver(t, lane, batch("1")); !errors.As(err, &refused) || refused.Shard != "shard" || refused.Offset.Minor != 1 {
		t.Errorf("Commit: %v", err)
	}
	l.publish = func(string, []*message.Message) error { panic("SECRET") }
	lane, _, _ = s.Open(t.Context(), pipeline.LaneID{Pipeline: "p", Lanes: 1})
	if err := deliver(t, lane, batch("1")); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Errorf("a publisher that panics: %v", err)
	}
}

// TestIsolates: of many records the one that the publisher never takes is found, over
// new lanes, also where the subscriber gives one at a time.
func TestIsolates(t *testing.T) {
	for _, inFlight := range []int{1, 100} {
		values := numbers(20)
		q, l := newQueue(inFlight, values...), newLedger()
		l.publish = func(topic string, messages []*message.Message) error {
			if topic == "out" && slices.ContainsFunc(messages, func(m *message.Message) bool { return string(m.Payload) == "value 13" }) {
				return errors.New("too large")
			}
			return nil
		}
		sink := NewSink(l, SinkConfig{Topic: "out", DeadLetter: "dead", Refused: func(error) bool { return true }})
		stop := move(t, NewSource(q, SourceConfig{Topics: []string{"in"}}), sink, func(c *engine.Config) { c.OnSinkError = engine.DeadLetter })
		eventually(t, "all is acknowledged", func() bool { acked, _ := q.noted(); return acked == len(values) })
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got := l.got(); !slices.Equal(slices.Compact(got), values) || len(l.topics["dead"]) != 1 {
			t.Errorf("delivered %q, %d of them dead letters", got, len(l.topics["dead"]))
		}
	}
}

// TestConnects: a publisher that cannot connect is waited for, and not connected
// where nobody has opened a lane.
func TestConnects(t *testing.T) {
	l, tries := newLedger(), 0
	s := newSink(func() (message.Publisher, error) {
		if tries++; tries == 1 {
			return nil, errors.New("nobody answers")
		}
		return l, nil
	}, SinkConfig{Topic: "out"})
	id := pipeline.LaneID{Pipeline: "p", Lanes: 1}
	if _, _, err := s.Open(t.Context(), id); pipeline.ClassOf(err) != pipeline.Unreachable {
		t.Errorf("Open: %v", err)
	}
	lane, _, err := s.Open(t.Context(), id)
	if err != nil || deliver(t, lane, batch("1")) != nil || tries != 2 {
		t.Errorf("Open: %v, after %d tries", err, tries)
	}
	if err := s.Close(); err != nil || !l.closed {
		t.Errorf("Close: %v", err)
	}
	if _, _, err := s.Open(t.Context(), id); err == nil {
		t.Error("a closed sink opens")
	}
	if err := newSink(func() (message.Publisher, error) { t.Error("connected"); return nil, nil }, SinkConfig{}).Close(); err != nil {
		t.Error(err)
	}
}
