//go:build e2e && unix

package cli

import (
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
