package cli

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/server"
)

// TestServeUnderFire: whatever is asked of a pipeline at once, by many, while records go
// through, each of them arrives once and in order, and the pipeline does what was wanted last.
func TestServeUnderFire(t *testing.T) {
	e := pipelinetest.Embedded(t)
	s := serveIn(t, t.TempDir())
	text := strings.ReplaceAll(listPipeline(e, "shop", "events"), "user:hunter2@", "")
	other := strings.ReplaceAll(listPipeline(e, "other", "others"), "user:hunter2@", "")
	s.want(201, "POST", "/v1/pipelines", text)
	var firing, pushing sync.WaitGroup
	end := time.Now().Add(4 * time.Second)
	for n := range 4 {
		chance := rand.New(rand.NewPCG(1, uint64(n))) //nolint:gosec // a test
		firing.Go(func() {
			for time.Now().Before(end) {
				var code int
				var answer string
				switch turn := chance.IntN(8); turn {
				case 0, 1, 2, 3, 4:
					code, answer, _ = s.call("POST", "/v1/pipelines/shop/"+[]string{"pause", "resume", "stop", "restart", "resume"}[turn], "")
				case 5:
					code, answer, _ = s.call("PUT", "/v1/pipelines/shop", text+fmt.Sprintf("window: {batches: %d}\n", 2+chance.IntN(4)))
				case 6:
					code, answer, _ = s.call("POST", "/v1/pipelines", other)
				default:
					code, answer, _ = s.call("DELETE", "/v1/pipelines/other", "")
				}
				if code >= 500 {
					t.Errorf("%d %s", code, answer)
				}
			}
		})
	}
	pushed := 0
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	pushing.Go(func() {
		for time.Now().Before(end) {
			for range 20 {
				e.Redis.Push("events", fmt.Sprintf(`{"n":%d}`, pushed)) //nolint:errcheck // what waits for it tells
				pushed++
			}
			<-ticker.C
		}
	})
	firing.Wait()
	pushing.Wait()
	s.want(200, "POST", "/v1/pipelines/shop/resume", "")
	s.until("shop", server.Running)
	e.Redis.Push("events", fmt.Sprintf(`{"n":%d}`, pushed)) //nolint:errcheck // the last: nothing that came twice can come after it
	pipelinetest.Eventually(t, 30*time.Second, "the list is empty", func() bool { return !e.Redis.Exists("events") })
	for i, r := range consume(t, e, "out", pushed+1) {
		if string(r.Value) != fmt.Sprintf(`{"n":%d}`, i) {
			t.Fatalf("record %d of %d is %s", i, pushed+1, r.Value)
		}
	}
	if now := s.status("shop"); now.State != server.Running || now.Wanted != server.Running {
		t.Errorf("it is %+v", now)
	}
}
