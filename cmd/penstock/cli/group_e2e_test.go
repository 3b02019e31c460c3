//go:build e2e && unix

package cli

import (
	"syscall"
	"testing"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestGroup: two processes share a consumer group; one of them is killed again and
// again, and started again. Nothing is lost, and nothing stays pending.
func TestGroup(t *testing.T) {
	t.Parallel()
	const events, kills = 60_000, 6
	j := newJob(t, "redis_stream")
	j.more = []string{"value_field: payload", "group: {name: g, claim_idle: 2s}"}
	j.rest = []string{"delivery: at_least_once"}
	shop := newShop()
	pushing := j.push(shop, events, 6_000).Start(t)
	steady := j.start()
	for n := range kills {
		victim := j.start()
		j.arrived(j.name, events*(n+1)/(kills+1))
		victim.Kill()
	}
	pushing.Wait(t, soon)
	client := j.client()
	pipelinetest.Eventually(t, soon, "the group has acknowledged all", func() bool {
		groups, err := client.XInfoGroups(t.Context(), j.keys[0]).Result()
		return err == nil && len(groups) == 1 && groups[0].Pending == 0 && groups[0].EntriesRead == events
	})
	j.stopped(steady)
	report := j.report(shop)
	if t.Log(report); report.Lost+report.Corrupt+report.Foreign > 0 || report.Records < events {
		t.Errorf("%s", report)
	}
}

// stopped ends a run with SIGTERM.
func (j *job) stopped(c *pipelinetest.Command) {
	j.tb.Helper()
	c.Signal(syscall.SIGTERM)
	if code := c.Exit(soon); code != exitDone {
		j.tb.Errorf("stopped with code %d: %s", code, c.Log())
	}
}

// TestAtLeastOnce: without a group and without transactions, the source keeps the
// position: a second run continues after the first.
func TestAtLeastOnce(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			j := newJob(t, source)
			if source == "redis_stream" {
				j.more = []string{"value_field: payload"}
			}
			j.rest = []string{"delivery: at_least_once"}
			shop := newShop()
			for range 3 {
				j.push(shop, 2_000, 0).Do(t)
				j.drain()
			}
			j.check(shop)
			c := j.start()
			j.push(shop, 2_000, 0).Do(t)
			j.arrived(j.name, 8_000)
			j.stopped(c)
			j.check(shop)
		})
	}
}
