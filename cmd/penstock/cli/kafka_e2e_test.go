//go:build e2e && unix

package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestKafkaToKafka: what a list's pipeline has written to a topic goes to another
// one, by a process that is killed again and again: each event once, in order for
// each user, whose partition stays the same.
func TestKafkaToKafka(t *testing.T) {
	t.Parallel()
	const events, kills = 60_000, 5
	j := newJob(t, "redis_list")
	shop := newShop()
	pushing := j.push(shop, events, 6_000).Start(t)
	feeding := j.start()
	second := newJob(t, "redis_list")
	second.path = filepath.Join(t.TempDir(), "second.yaml")
	must(t, os.WriteFile(second.path, fmt.Appendf(nil, `name: %s
source:
  kafka:
    brokers: [%q]
    topics: [%s]
sink:
  kafka:
    brokers: [%q]
    topic: %s
    create_topic: {partitions: 4, replicas: 1}
`, second.name, j.kafka, j.name, j.kafka, second.name), 0o600))
	for n := range kills {
		victim := second.start()
		j.arrived(second.name, events*(n+1)/(kills+2))
		victim.Kill()
	}
	pushing.Wait(t, soon)
	pipelinetest.Eventually(t, soon, "the list is empty", func() bool {
		n, err := j.client().LLen(t.Context(), j.keys[0]).Result()
		return err == nil && n == 0
	})
	j.stopped(feeding)
	second.drain()
	second.check(shop)
}

// TestDeadLetterOfKafka: the headers of a dead letter say where in Kafka the record
// lies, as Kafka counts.
func TestDeadLetterOfKafka(t *testing.T) {
	t.Parallel()
	j := newJob(t, "redis_list")
	j.format, j.key = "", ""
	j.items(`{"n":1}`, "not json", `{"n":2}`)
	j.drain()
	second := newJob(t, "redis_list")
	second.path = filepath.Join(t.TempDir(), "second.yaml")
	must(t, os.WriteFile(second.path, fmt.Appendf(nil, `name: %s
source:
  kafka: {brokers: [%q], topics: [%s]}
  format: json
sink:
  kafka: {brokers: [%q], topic: %[1]s, create_topic: {partitions: 1, replicas: 1}}
on_error:
  then: dead_letter
  dead_letter: {kafka: {topic: %[1]s-dead}}
`, second.name, j.kafka, j.name, j.kafka), 0o600))
	second.drain()
	second.arrived(second.name, 2)
	letter := second.arrived(second.name+"-dead", 1)[0]
	for _, r := range j.arrived(j.name, 3) {
		if !bytes.Equal(r.Value, letter.Value) {
			continue
		}
		for name, want := range map[string]any{"topic": r.Topic, "partition": r.Partition, "offset": r.Offset, "stage": "VALUE_CONVERTER"} {
			if got := header(t, letter, "__connect.errors."+name); got != fmt.Sprint(want) {
				t.Errorf("%s is %s, want %v", name, got, want)
			}
		}
		return
	}
	t.Errorf("the dead letter holds %q, which was not sent", letter.Value)
}
