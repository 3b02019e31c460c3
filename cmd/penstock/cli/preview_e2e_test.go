//go:build e2e && unix

package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestPreviewBesideARun shows what waits while a pipeline runs: it goes on, nobody is fenced,
// and Redis holds what it held.
func TestPreviewBesideARun(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, source)
			j.items(`{"user_id":"u1","n":1}`, `{"user_id":"u1","n":2}`)
			j.preview(2, "0 of 2") // before the first start there is no companion, and none is made
			if keys := j.client().Keys(t.Context(), "penstock:{"+j.keys[0]+"}").Val(); len(keys) != 0 {
				t.Errorf("it has made %q", keys)
			}
			c := j.start()
			j.arrived(j.name, 2)
			j.emptied(soon)
			before := j.held()
			j.preview(0, "while it runs")
			if after := j.held(); after != before {
				t.Errorf("Redis held %q and holds %q", before, after)
			}
			j.items(`{"user_id":"u1","n":3}`)
			j.arrived(j.name, 3)
			if !c.Running() || strings.Contains(c.Log(), "taken over") {
				t.Errorf("it does not go on:\n%s", c.Log())
			}
			j.stopped(c)
			j.items(`{"user_id":"u1","n":4}`, "not JSON")
			for range 2 {
				j.preview(2, "after it")
			}
			if n := len(j.arrived(j.name, 3)); n != 3 {
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
			if r.Outcome == goesOut && strings.Contains(*r.GoesOut.Value, `"seen":true`) && strings.HasPrefix(r.Shard, j.name+"/") && r.Came.Key != nil {
				seen++
			}
		}
		if seen != 3 || len(answer.Records) != 3 {
			t.Errorf("%+v", answer.Records)
		}
	}
}

// preview wants to see so many records.
func (j *job) preview(n int, when string) {
	j.tb.Helper()
	var answer struct {
		Records []previewJSON `json:"records"`
	}
	must(j.tb, json.Unmarshal(j.command("preview", "--json", j.file()), &answer))
	if len(answer.Records) != n {
		j.tb.Errorf("%s: %d records, want %d: %+v", when, len(answer.Records), n, answer.Records)
	}
}

// held is what Redis holds of the job.
func (j *job) held() string {
	j.tb.Helper()
	client := j.client()
	var all strings.Builder
	for _, key := range []string{j.keys[0], "penstock:{" + j.keys[0] + "}"} {
		dump, _ := client.Dump(j.tb.Context(), key).Result() // nil: there is no such key
		all.WriteString(key + "=" + dump + "\n")
	}
	return all.String()
}
