//go:build e2e && unix

package cli

import (
	"slices"
	"testing"
	"time"
)

// readTimes gives the groups of times at which the topic's records were read
// from the list: a new group begins after a silence of a second.
func (j *job) readTimes(n int) [][]time.Time {
	j.tb.Helper()
	var times []time.Time
	for _, r := range j.arrived(j.name, n) {
		times = append(times, r.Timestamp)
	}
	slices.SortFunc(times, time.Time.Compare)
	var groups [][]time.Time
	for i, at := range times {
		if i == 0 || at.Sub(times[i-1]) > time.Second {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], at)
	}
	return groups
}

func TestTriggerEvery(t *testing.T) {
	t.Parallel()
	j, shop := newJob(t, "redis_list"), newShop()
	j.more = append(j.more, "trigger: {every: 4s}")
	push := j.push(shop, 1_000, 100) // ten seconds
	push.Chunk = 10
	pushing := push.Start(t)
	c := j.start()
	pushing.Wait(t, soon)
	j.emptied(soon)
	stopped(t, c)
	j.check(shop)
	groups := j.readTimes(1_000)
	if len(groups) < 3 || len(groups) > 5 {
		t.Errorf("ten seconds of events were read at %d times, every 4 s", len(groups))
	}
	for i := 1; i < len(groups); i++ {
		if apart := groups[i][0].Sub(groups[i-1][0]); apart < 3*time.Second {
			t.Errorf("two drains began %v apart", apart)
		}
	}
}

func TestTriggerCron(t *testing.T) {
	t.Parallel()
	j, shop := newJob(t, "redis_stream"), newShop()
	j.more = append(j.more, `trigger: {cron: "* * * * *", time_zone: Europe/Berlin}`)
	j.push(shop, 1_000, 0).Do(t)
	started := time.Now()
	c := j.start()
	j.emptied(2 * soon)
	if drained := time.Now(); drained.Before(started.Truncate(time.Minute).Add(time.Minute)) {
		t.Errorf("started at %v, drained at %v, before the minute was full", started, drained)
	}
	stopped(t, c)
	j.check(shop)
	// A run that drains does not wait for the next minute.
	j.push(shop, 1_000, 0).Do(t)
	j.drain()
	j.check(shop)
}

// Lists that match a glob and come while the pipeline runs are found.
func TestNewKeys(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			j, shop := newJob(t, source), newShop()
			j.glob = j.name + "-key-*"
			all := []string{j.name + "-key-1", j.name + "-key-2", j.name + "-key-3", "not-" + j.name + "-key-4"}
			j.keys = all[:3]
			c := j.start()
			for i := range all[:3] {
				push := j.push(shop, 5_000, 0)
				push.Keys = all[i : i+1]
				push.Do(t)
				j.arrived(j.name, 5_000*(i+1))
			}
			stopped(t, c)
			if report := j.report(shop); report.Lost+report.Doubled+report.Corrupt+report.Foreign > 0 {
				t.Error(report) // a user's events went to three keys: their order is not kept
			}
		})
	}
}
