//go:build e2e && unix

package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// moved is a job of small values, whose positions are looked at and changed.
type moved struct {
	*job
	redis *redis.Client
	ids   []string // of a stream's entries
	next  int      // the next value
	files string   // the pipeline's file
}

func movedJob(t *testing.T, source string) *moved {
	j := newJob(t, source)
	j.format, j.key = "", ""
	if source == "redis_stream" {
		j.more = []string{"value_field: payload"}
	}
	m := &moved{job: j, redis: j.client()}
	m.files = j.file()
	return m
}

// add pushes the next n values.
func (m *moved) add(n int) {
	m.tb.Helper()
	for range n {
		var err error
		if m.source == "redis_stream" {
			var id string
			id, err = m.redis.XAdd(m.tb.Context(), &redis.XAddArgs{Stream: m.keys[0], Values: []string{"payload", fmt.Sprint(m.next)}}).Result()
			m.ids = append(m.ids, id)
		} else {
			err = m.redis.RPush(m.tb.Context(), m.keys[0], fmt.Sprint(m.next)).Err()
		}
		must(m.tb, err)
		m.next++
	}
}

// change runs a command of penstock positions that must end with the code.
func (m *moved) change(t *testing.T, code int, what string, args ...string) string {
	t.Helper()
	got := penstock(t, append([]string{"positions", what, m.files}, args...)...)
	if got.code != code {
		t.Fatalf("positions %s %v ended with %d, want %d: %s%s", what, args, got.code, code, got.out, got.errOut)
	}
	return got.out + got.errOut
}

// delivered checks the numbers that the topic holds, sorted.
func (m *moved) delivered(topic string, want ...int) {
	m.tb.Helper()
	var got []int
	for _, r := range m.arrived(topic, len(want)) {
		var n int
		must(m.tb, json.Unmarshal(r.Value, &n))
		got = append(got, n)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		m.tb.Errorf("topic %s holds %v, want %v", topic, got, want)
	}
}

func numbers(from, to int) []int {
	var all []int
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

func TestPositionsOfAStream(t *testing.T) {
	t.Parallel()
	m := movedJob(t, "redis_stream")
	m.add(10)
	m.drain()
	wantIn(t, m.change(t, exitDone, "get"), m.keys[0], m.ids[9], "no instance is active", " 0 ")

	wantIn(t, m.change(t, exitDone, "set", m.keys[0], m.ids[6], "--yes", "--json"), `"from": "`+m.ids[9], `"to": "`+m.ids[6]) // set back: replays from there
	m.add(2)
	wantIn(t, m.change(t, exitDone, "get"), m.ids[6])
	m.drain()
	want := slices.Concat(numbers(0, 12), numbers(7, 10))
	m.delivered(m.name, want...)

	m.add(3)
	m.change(t, exitDone, "set", m.keys[0], "newest", "--yes") // set forward: skips
	m.add(1)
	m.drain()
	want = append(want, 15)
	m.delivered(m.name, want...)

	must(t, m.redis.XTrimMaxLen(t.Context(), m.keys[0], 2).Err())
	wantIn(t, m.change(t, exitDone, "set", m.keys[0], m.ids[3], "--yes"), "its oldest 14 records were removed, and cannot be delivered again; 2 records are read again")
	m.drain()
	want = append(want, 14, 15)
	m.delivered(m.name, want...)

	wantIn(t, m.change(t, exitFailed, "set", m.keys[0], "99999999999999-0", "--yes"), "no place 99999999999999-0", m.ids[15])
	wantIn(t, m.change(t, exitInvalid, "set", "nowhere", "newest", "--yes"), `no shard "nowhere"`, m.keys[0])
	wantIn(t, m.change(t, exitInvalid, "set", m.keys[0], "oldest"), "say --yes")
	wantIn(t, m.change(t, exitFailed, "adopt", m.keys[0], "--yes"), "has a position already")

	m.change(t, exitDone, "reset", "--yes")
	wantIn(t, m.change(t, exitFailed, "reset", "--yes"), "nothing to change")
	wantIn(t, m.change(t, exitDone, "get"), "none")
	m.drain()
	m.delivered(m.name, append(want, 14, 15)...)
}

func TestPositionsOfAList(t *testing.T) {
	t.Parallel()
	for _, pushed := range []string{"rpush", "lpush"} {
		t.Run(pushed, func(t *testing.T) {
			t.Parallel()
			m := movedJob(t, "redis_list")
			m.more = []string{"pushed_by: " + pushed}
			m.files = m.file()
			push := func(n int) {
				if pushed == "rpush" {
					m.add(n)
					return
				}
				for range n {
					must(t, m.redis.LPush(t.Context(), m.keys[0], fmt.Sprint(m.next)).Err())
					m.next++
				}
			}
			push(10)
			m.drain()
			push(10)
			wantIn(t, m.change(t, exitDone, "get"), "0-10", " 10 ")
			wantIn(t, m.change(t, exitFailed, "set", m.keys[0], "5", "--yes"), "10 items were removed", "holds 10 more")
			wantIn(t, m.change(t, exitDone, "set", m.keys[0], "16", "--yes"), "6 records are passed over")
			wantIn(t, m.change(t, exitDone, "set", m.keys[0], "14", "--yes"), "2 records are read again")
			m.drain()
			want := slices.Concat(numbers(0, 10), numbers(14, 20))
			m.delivered(m.name, want...)

			m.change(t, exitDone, "reset", "--yes")
			push(3)
			m.drain() // from the head, and without a halt
			m.delivered(m.name, append(want, 20, 21, 22)...)
		})
	}
}

// A pipeline that is renamed goes on with the positions of its old name; where these
// are lost, a list goes on where Redis says.
func TestPositionsOfARenamedPipeline(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"copy", "adopt"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			m := movedJob(t, "redis_list")
			old := m.name
			m.add(10)
			m.drain()
			m.name += "-renamed"
			m.files = m.file()
			m.add(5)
			wantIn(t, m.refused(exitFailed, "was read by another pipeline"), "penstock positions copy", "penstock positions adopt")
			if how == "copy" {
				wantIn(t, m.change(t, exitFailed, "copy", "--from", "nobody", "--yes"), "no position is stored under the name nobody")
				companion := "penstock:{" + m.keys[0] + "}"
				was := m.redis.HGet(t.Context(), companion, "incarnation").Val()
				must(t, m.redis.HSet(t.Context(), companion, "incarnation", "another").Err())
				wantIn(t, m.change(t, exitFailed, "copy", "--from", old, "--yes"), "shard "+m.keys[0], "does not continue what "+old+" has delivered")
				must(t, m.redis.HSet(t.Context(), companion, "incarnation", was).Err())
				m.change(t, exitDone, "copy", "--from", old, "--yes")
			} else {
				wantIn(t, m.change(t, exitInvalid, "reset"), "read up to 0-10, and not by this pipeline")
				m.change(t, exitDone, "adopt", "--yes")
			}
			m.drain()
			m.delivered(m.name, numbers(10, 15)...)
		})
	}
}

func TestPositionsBesideARunningPipeline(t *testing.T) {
	t.Parallel()
	m := movedJob(t, "redis_list")
	m.add(10)
	c := m.start()
	m.emptied(soon)
	out := m.change(t, exitDone, "get", "--json")
	var all []standing
	must(t, json.Unmarshal([]byte(out), &all))
	if len(all) != 1 || len(all[0].Shards) != 1 || all[0].Active == "" || all[0].Shards[0].Position != "0-10" || all[0].Shards[0].Waiting != 0 {
		t.Errorf("get --json gives %s", out)
	}
	for _, args := range [][]string{{"set", m.keys[0], "newest"}, {"reset"}, {"adopt"}, {"copy", "--from", "other"}} {
		wantIn(t, m.change(t, exitFailed, args[0], append(args[1:], "--yes")...), "is running", "stop every instance")
	}
	m.add(1)
	m.emptied(soon) // nobody was fenced
	if strings.Contains(c.Log(), "degraded") {
		t.Error(c.Log())
	}
	stopped(t, c)

	// Redis is away: what Kafka knows is shown.
	m.job.redis = "127.0.0.1:1"
	m.files = m.file()
	wantIn(t, m.change(t, exitUnreachable, "get"), "0-11", "not known now", "Redis at 127.0.0.1:1")
}
