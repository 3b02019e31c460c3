//go:build e2e && unix

package cli

import "testing"

// TestGivesUp: a list full of what is not JSON is not moved to the dead letters.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	j := newJob(t, "redis_list")
	j.key = ""
	j.rest = []string{"on_error: {then: drop, give_up_after: {failures: 5}}"}
	client := j.client()
	push := func(items ...any) { must(t, client.RPush(t.Context(), j.keys[0], items...).Err()) }
	push("1", "not JSON", "not JSON", "2")
	j.drain()
	push("not JSON", "not JSON", "3", "not JSON", "not JSON", "not JSON")
	j.refused(exitFailed, "given up: 5 records were refused within 1m0s", "source.format", j.keys[0])
	if n := client.LLen(t.Context(), j.keys[0]).Val(); n != 6 {
		t.Errorf("the list holds %d items, want those that made it give up", n)
	}
	j.rest = []string{"on_error: {then: drop}"}
	j.drain()
	if n := len(j.arrived(j.name, 3)); n != 3 {
		t.Errorf("the topic has %d records", n)
	}
}
