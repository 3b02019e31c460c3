//go:build e2e && unix

package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestPreviewBesideARun shows what waits while a pipeline runs: it goes on, nobody is fenced,
// and Redis holds what it held.
func TestPreviewBesideARun(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"redis_list", "redis_stream", "group"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, strings.Replace(source, "group", "redis_stream", 1))
			if source == "group" {
				j.more = []string{"value_field: payload", "group: {name: g}"}
				j.rest = append(j.rest, "delivery: at_least_once")
			} else {
				j.rest = append(j.rest, "lease: {life: 10m}") // it is stopped for a while, and its lease is to stay
			}
			j.items(`{"user_id":"u1","n":1}`, `{"user_id":"u1","n":2}`)
			before := j.held()
			j.preview(2, "before the first start")
			if after := j.held(); after != before {
				t.Errorf("Redis held %q and holds %q", before, after)
			}
			c := j.start()
			j.arrived(j.name, 2)
			c.Signal(syscall.SIGSTOP) // in the middle of its run: it has the lease and the lane
			j.items(`{"user_id":"u1","n":3}`, `{"user_id":"u1","n":4}`)
			before = j.held()
			for range 2 {
				want := 2
				if source == "group" {
					want = -1 // some are the consumer's already, which waited for them
				}
				j.preview(want, "while it runs")
			}
			if after := j.held(); after != before {
				t.Errorf("Redis held %q and holds %q", before, after)
			}
			c.Signal(syscall.SIGCONT)
			j.arrived(j.name, 4)
			if !c.Running() || strings.Contains(c.Log(), "taken over by") {
				t.Errorf("it does not go on:\n%s", c.Log())
			}
			j.stopped(c)
			j.items(`{"user_id":"u1","n":5}`, "not JSON")
			for range 2 {
				j.preview(2, "after it")
			}
			if n := len(j.arrived(j.name, 4)); n != 4 {
				t.Errorf("%d records are in the topic", n)
			}
		})
	}
}

// TestPreviewOfKafka shows what waits in a topic; no group is made.
func TestPreviewOfKafka(t *testing.T) {
	t.Parallel()
	j := newJob(t, "redis_list")
	j.items(`{"user_id":"u1","n":1}`, `{"user_id":"u2","n":2}`, `{"user_id":"u3","n":3}`)
	j.drain()
	name := file(t, "name: "+j.name+"-2\nsource:\n  kafka: {brokers: [\""+j.kafka+"\"], topics: ["+j.name+"]}\n  format: json\ntransforms: [set: {value.seen: true}]\n"+
		"sink:\n  kafka: {brokers: [\""+j.kafka+"\"], topic: "+j.name+"-2}\n")
	for range 2 {
		var answer struct {
			Records []previewJSON `json:"records"`
		}
		must(t, json.Unmarshal(j.command("preview", "--json", name), &answer))
		seen := 0
		for _, r := range answer.Records {
			if r.Outcome == "delivered" && strings.Contains(*r.GoesOut.Value, `"seen":true`) && strings.HasPrefix(r.Shard, j.name+"/") && r.Came.Key != nil {
				seen++
			}
		}
		if seen != 3 || len(answer.Records) != 3 {
			t.Errorf("%+v", answer.Records)
		}
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(j.kafka))
	must(t, err)
	defer client.Close()
	groups, err := kadm.NewClient(client).ListGroups(t.Context())
	must(t, err)
	for _, g := range groups.Groups() {
		if strings.Contains(g, j.name) {
			t.Errorf("it has made the group %s", g)
		}
	}
}

// preview wants to see so many records; -1: whatever waits.
func (j *job) preview(n int, when string) {
	j.tb.Helper()
	var answer struct {
		Records []previewJSON `json:"records"`
	}
	must(j.tb, json.Unmarshal(j.command("preview", "--json", j.file()), &answer))
	if n >= 0 && len(answer.Records) != n {
		j.tb.Errorf("%s: %d records, want %d: %+v", when, len(answer.Records), n, answer.Records)
	}
}

// held is what Redis holds of the job: every key that has its name, and the groups of its
// stream.
func (j *job) held() string {
	j.tb.Helper()
	client := j.client()
	keys, err := client.Keys(j.tb.Context(), "*"+j.name+"*").Result()
	must(j.tb, err)
	slices.Sort(keys)
	var all strings.Builder
	for _, key := range keys {
		dump, _ := client.Dump(j.tb.Context(), key).Result() // nil: it has ended, as leases do
		if strings.HasPrefix(key, "penstock:lease:") {
			dump = ""
		}
		fmt.Fprintf(&all, "%s=%q\n", key, dump)
	}
	groups, _ := client.XInfoGroups(j.tb.Context(), j.keys[0]).Result() // an error: it is no stream
	return all.String() + fmt.Sprint(groups)
}
