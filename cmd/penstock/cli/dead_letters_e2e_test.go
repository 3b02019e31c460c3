//go:build e2e && unix

package cli

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline/engine"
)

// TestDeadLettersKilled kills the binary between keeping letters and committing: no
// letter is lost, what was kept then is there twice, and the records that are well
// arrive once and in order. All of it can be given back.
func TestDeadLettersKilled(t *testing.T) {
	t.Parallel()
	const all, everyNth = 3000, 10
	for _, source := range []string{"redis_list", "redis_stream"} {
		for _, place := range []string{"redis_stream", "file"} {
			t.Run(source+" "+place, func(t *testing.T) {
				t.Parallel()
				j := newJob(t, source)
				where := "redis_stream: {stream: " + j.name + "-dead}"
				if place == "file" {
					where = "file: {path: " + filepath.Join(t.TempDir(), "dead.jsonl") + "}"
				}
				j.rest = append(j.rest, "on_error: {then: dead_letter, dead_letter: {"+where+"}}", "commit: {records: 500}")
				t.Cleanup(func() { j.client().Del(t.Context(), j.name+"-dead") })
				var values, good []string
				for i := range all {
					if i%everyNth == 0 {
						values = append(values, fmt.Sprintf("not JSON %d", i))
						continue
					}
					good = append(good, fmt.Sprintf(`{"user_id":"u1","n":%d}`, i))
					values = append(values, good[len(good)-1])
				}
				j.items(values...)
				for range 2 { // at the first letters: how many transactions there are, the machine decides
					j.env = []string{crashAtEnv + "=" + string(engine.Letters)}
					c := j.start()
					if c.Exit(soon); !c.Killed() {
						t.Fatalf("it did not die between its letters and the commit:\n%s", c.Log())
					}
				}
				j.env = nil
				j.drain()

				got := j.arrived(j.name, len(good))
				if len(got) != len(good) {
					t.Fatalf("%d records arrived, want %d", len(got), len(good))
				}
				for i, r := range got { // of one user: in one partition
					if string(r.Value) != good[i] {
						t.Fatalf("record %d is %s, want %s", i, r.Value, good[i])
					}
				}
				times, kept := j.letters()
				if len(times) != all/everyNth || kept <= all/everyNth {
					t.Errorf("%d of %d letters, %d with those that came twice", len(times), all/everyNth, kept)
				}
				for value := range times {
					if !strings.HasPrefix(value, "not JSON ") {
						t.Errorf("%q is a letter", value)
					}
				}

				j.command("dead-letters", "replay", "--yes", j.file())
				if left, _ := j.letters(); len(left) != 0 {
					t.Errorf("%d letters are left", len(left))
				}
				j.drain()
				if again, n := j.letters(); len(again) != all/everyNth || n != kept {
					t.Errorf("%d letters, %d with those that came twice, came again; %d were given back", len(again), n, kept)
				}
			})
		}
	}
}

// command runs another command of the binary, and gives what it has written.
func (j *job) command(args ...string) []byte {
	j.tb.Helper()
	out, err := exec.CommandContext(j.tb.Context(), j.bin, args...).Output()
	if err != nil {
		j.tb.Fatalf("%v: %v, %s", args, err, out)
	}
	return out
}

// letters counts the dead letters of the job, by what they hold, and all of them.
func (j *job) letters() (times map[string]int, all int) {
	j.tb.Helper()
	var lists []letterList
	must(j.tb, json.Unmarshal(j.command("dead-letters", "list", "--json", "--limit", "100000", j.file()), &lists))
	times = map[string]int{}
	for _, l := range lists[0].Letters {
		times[*l.Value]++
	}
	return times, lists[0].Count
}
