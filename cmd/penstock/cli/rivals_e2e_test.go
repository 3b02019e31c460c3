//go:build e2e && unix

package cli

import (
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// Another client pops from the list: the pipeline halts and shows both sides,
// and loses nothing but what was popped.
func TestForeignPop(t *testing.T) {
	t.Parallel()
	j, shop := newJob(t, "redis_list"), newShop()
	client := j.client()
	pushing := j.push(shop, 60_000, 15_000).Start(t)
	c := j.start()
	popped := 0
	pipelinetest.Eventually(t, soon, "the pipeline ends", func() bool {
		if client.LPop(t.Context(), j.keys[0]).Err() == nil {
			popped++
		}
		return !c.Running()
	})
	if code := c.Exit(soon); code != exitFailed {
		t.Errorf("ended with code %d", code)
	}
	wantIn(t, c.Log(), "list "+j.keys[0]+" does not continue what was", "another client pops", "incarnation", "on_gap: continue")
	pushing.Wait(t, soon)
	j.goesOn()
	if report := j.report(shop); report.Lost > popped || report.Corrupt+report.Foreign > 0 {
		t.Errorf("%d were popped: %s", popped, report)
	}
}

// Writers push at the other end than pushed_by says.
func TestPushedAtTheOtherEnd(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"rpush", "lpush"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			j, shop := newJob(t, "redis_list"), newShop()
			other := map[string]string{"rpush": "lpush", "lpush": "rpush"}[how]
			j.more = append(j.more, "pushed_by: "+how)
			push := j.push(shop, 300_000, 10_000)
			push.How = other
			push.Start(t)
			c := j.start()
			if code := c.Exit(soon); code != exitFailed {
				t.Errorf("ended with code %d", code)
			}
			wantIn(t, c.Log(), "list "+j.keys[0], "push at the other end than pushed_by says")
		})
	}
}

func TestLPushedList(t *testing.T) {
	t.Parallel()
	j, shop := newJob(t, "redis_list"), newShop()
	j.more = append(j.more, "pushed_by: lpush")
	push := j.push(shop, 40_000, 10_000)
	push.How = "lpush"
	pushing := push.Start(t)
	c := j.start()
	for _, at := range []int{10_000, 20_000} {
		pipelinetest.Eventually(t, soon, "events are pushed", func() bool { return pushing.Pushed() >= at })
		c.Kill()
		c = j.start()
	}
	pushing.Wait(t, soon)
	j.emptied(soon)
	stopped(t, c)
	j.check(shop)
}

// SIGTERM under load ends with code 0 within the deadline, and the next start
// goes on where it ended.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			j, shop := newJob(t, source), newShop()
			pushing := j.push(shop, 60_000, 15_000).Start(t)
			for _, at := range []int{10_000, 20_000, 30_000, 40_000} {
				c := j.start()
				pipelinetest.Eventually(t, soon, "events are pushed", func() bool { return pushing.Pushed() >= at })
				asked := time.Now()
				stopped(t, c)
				if took := time.Since(asked); took > 20*time.Second {
					t.Errorf("the stop took %v, and --shutdown is 20s", took)
				}
			}
			pushing.Wait(t, soon)
			j.drain()
			j.check(shop)
		})
	}
}
