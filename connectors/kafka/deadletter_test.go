package kafka

import (
	"errors"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// letter makes the dead letter of the third record of a shard.
func letter(t *testing.T, to DeadLetters, limit int32, shard string, f *pipeline.Failure) map[string]string {
	t.Helper()
	l := &Lane{id: pipeline.LaneID{Pipeline: "p", Lane: 2, Lanes: 3}, sink: &Sink{deadLetters: to}, limits: &limits{}}
	l.limits.bytes.Store(&map[string]int32{to.Topic: limit})
	b := batch(shard, "a", "b", "c")
	b.Records[2].Fate, b.Records[2].Failure = pipeline.DeadLettered, f
	r := l.deadLetter(b, &b.Records[2], b.Records[2].Time)
	return headersOf(&r)
}

// TestConnectHeaders: topic, partition and offset are a record's of Kafka only; a
// key of Redis that looks like a partition is none.
func TestConnectHeaders(t *testing.T) {
	for _, c := range []struct {
		name, shard, stage       string
		partitions               bool
		topic, partition, offset string
		theirs                   string
	}{
		{"from Kafka", "orders/7", "source.format", true, "orders", "7", "2", "VALUE_CONVERTER"},
		{"a key of Redis", "orders/7", "transforms[0].filter", false, "", "", "", "TRANSFORMATION"},
		{"the key", "k", "sink.key", false, "", "", "", "KEY_CONVERTER"},
		{"the writer", "k", "sink.format", false, "", "", "", "VALUE_CONVERTER"},
		{"the source", "k", "source", false, "", "", "", "TASK_POLL"},
		{"the sink", "k", "sink", false, "", "", "", "KAFKA_PRODUCE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &pipeline.Failure{Stage: c.stage, Err: &pipeline.Error{What: "no"}}
			got := letter(t, DeadLetters{Topic: "dead", Partitions: c.partitions}, 1<<20, c.shard, f)
			for name, want := range map[string]string{"topic": c.topic, "partition": c.partition, "offset": c.offset, "stage": c.theirs,
				"connector.name": "p", "task.id": "2", "class.name": c.stage, "exception.class.name": "*pipeline.Error", "exception.message": "no"} {
				if got["__connect.errors."+name] != want {
					t.Errorf("%s is %q, want %q", name, got["__connect.errors."+name], want)
				}
			}
		})
	}
}

// TestConnectHeadersThatDoNotFit: they say nothing that ours do not, so they go first.
func TestConnectHeadersThatDoNotFit(t *testing.T) {
	f := &pipeline.Failure{Stage: "sink", Err: errors.New(strings.Repeat("long ", 1_000))}
	got := letter(t, DeadLetters{Topic: "dead"}, 4_000, "k", f)
	for name := range got {
		if strings.HasPrefix(name, "__connect.") {
			t.Errorf("%s stands in a letter that has no room", name)
		}
	}
	if len(got["penstock.error"]) != 1<<10 {
		t.Errorf("%d bytes of the reason are left", len(got["penstock.error"]))
	}
}
