//go:build e2e && unix

package cli

import (
	"fmt"
	"testing"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestTasksChange kills a pipeline again and again while events come, and starts it
// with another number of tasks each time: what the lanes of the last start hold must
// reach nobody, whether those lanes exist in the next one or not.
func TestTasksChange(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, source)
			shard := j.keys[0]
			j.keys = nil
			for i := range 8 {
				j.keys = append(j.keys, fmt.Sprintf("%s-%d", shard, i))
			}
			shop := newShop()
			const events = 60_000
			pushing := j.push(shop, events, 10_000).Start(t)
			for i, tasks := range []int{3, 1, 4, 2, 8, 3} {
				j.rest = []string{fmt.Sprintf("tasks: %d", tasks)}
				c := j.start()
				c.Await(soon, "pipeline starts")
				enough := (i + 1) * events / 8
				pipelinetest.Eventually(t, soon, "it moves events", func() bool { return pushing.Pushed() >= enough })
				if !c.Kill() {
					t.Fatalf("with %d tasks it ended by itself: %s", tasks, c.Log())
				}
			}
			pushing.Wait(t, soon)
			j.rest = []string{"tasks: 2"}
			j.drain()
			j.check(shop)
		})
	}
}
