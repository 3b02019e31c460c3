//go:build e2e && unix

package cli

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// items puts raw items into the job's list, or entries into its stream.
func (j *job) items(values ...string) {
	j.tb.Helper()
	client := j.client()
	for _, value := range values {
		if j.source == "redis_list" {
			must(j.tb, client.RPush(j.tb.Context(), j.keys[0], value).Err())
		} else {
			must(j.tb, client.Do(j.tb.Context(), "XADD", j.keys[0], "*", "payload", value).Err())
		}
	}
}

// deadLetters makes the job send refused records to a topic, and gives its name.
func (j *job) deadLetters() string {
	dead := j.name + "-dead"
	j.rest = append(j.rest, "on_error:", "  then: dead_letter", "  dead_letter: {kafka: {topic: "+dead+"}}")
	return dead
}

// header gives a header of a record, and fails the test where there is none.
func header(tb testing.TB, r *kgo.Record, key string) string {
	tb.Helper()
	for _, h := range r.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	tb.Errorf("there is no header %s", key)
	return ""
}

func TestWrongType(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			j := newJob(t, source)
			must(t, j.client().Set(t.Context(), j.keys[0], "a string", 0).Err())
			j.refused(exitFailed, "key "+j.keys[0]+" in Redis holds a string, not a "+strings.TrimPrefix(source, "redis_"))
		})
		t.Run(source+" meanwhile", func(t *testing.T) {
			t.Parallel()
			j, shop := newJob(t, source), newShop()
			j.push(shop, 100, 0).Do(t)
			c := j.start()
			j.emptied(soon)
			must(t, j.client().Set(t.Context(), j.keys[0], "a string", 0).Err())
			if code := c.Exit(soon); code != exitFailed {
				t.Errorf("ended with code %d", code)
			}
			wantIn(t, c.Log(), j.keys[0], "WRONGTYPE")
			j.check(shop)
		})
	}
}

func TestEvictionPolicy(t *testing.T) {
	t.Parallel()
	r := redisOf(t, pipelinetest.RedisOptions{Args: []string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}})
	j, shop := newJob(t, "redis_list"), newShop()
	j.redis = r.Addr()
	j.push(shop, 100, 0).Do(t)
	j.refused(exitFailed, "maxmemory-policy is allkeys-lru", "allow_eviction: true")
	j.more = append(j.more, "allow_eviction: true")
	j.drain()
	j.check(shop)
}

// TestSizes sends an empty value, one near Kafka's limit and one far above it.
func TestSizes(t *testing.T) {
	t.Parallel()
	empty, large, huge := "", strings.Repeat("9", 900<<10), strings.Repeat("5", 5<<20)
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source+", dead letter", func(t *testing.T) {
			t.Parallel()
			j := newJob(t, source)
			j.format, j.key, j.more = "", "", j.more[:min(len(j.more), 1)]
			dead := j.deadLetters()
			j.sink = append(j.sink, "compression: none")
			j.items(empty, large, huge, "after")
			j.drain()
			got := map[string]bool{}
			for _, r := range j.arrived(j.name, 3) {
				got[string(r.Value)] = true
				if r.Value == nil {
					t.Error("the empty value became a null, which deletes in a compacted topic")
				}
			}
			if len(got) != 3 || !got[empty] || !got[large] || !got["after"] {
				t.Errorf("%d of the values that fit arrived", len(got))
			}
			letter := j.arrived(dead, 1)[0]
			sum := sha256.Sum256([]byte(huge))
			if header(t, letter, "penstock.original.length") != fmt.Sprint(len(huge)) || header(t, letter, "penstock.original.sha256") != hex.EncodeToString(sum[:]) {
				t.Error("the headers of the cut original are wrong")
			}
			if len(letter.Value) < 900<<10 || !bytes.HasPrefix([]byte(huge), letter.Value) {
				t.Errorf("the dead letter has %d bytes, or others than the original", len(letter.Value))
			}
			wantIn(t, header(t, letter, "penstock.stage"), "sink")
			wantIn(t, header(t, letter, "penstock.error"), fmt.Sprint(len(huge)), "max.message.bytes")
		})
		t.Run(source+", halt", func(t *testing.T) {
			t.Parallel()
			j := newJob(t, source)
			j.format, j.key = "", ""
			j.items(empty, large, huge, "after")
			position := "0-3"
			if source == "redis_stream" {
				position = j.client().XRange(t.Context(), j.keys[0], "-", "+").Val()[2].ID
			}
			j.refused(exitFailed, "sink refused the record at shard "+j.keys[0]+", position "+position, "on_error")
		})
	}
}

// refusals are values that a pipeline of JSON with a key refuses, with the stage
// that does, and a word of the reason.
var refusals = []struct{ value, stage, reason string }{
	{"not json", "source.format", "cannot be read"},
	{"", "source.format", "empty"},
	{`{"user_id":"u` + "\xff" + `"}`, "source.format", "UTF-8"},
	{`{"user_id":"u1"`, "source.format", "cannot be read"},
	{`{"x":1}`, "sink.key", "user_id"},
	{`{"user_id":{"a":1}}`, "sink.key", ""},
}

// TestRefused sends what cannot be read between events that can.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			j, shop := newJob(t, source), newShop()
			dead := j.deadLetters()
			j.push(shop, 1000, 0).Do(t)
			for _, r := range refusals {
				j.items(r.value)
			}
			j.push(shop, 1000, 0).Do(t)
			j.drain()
			j.check(shop)
			for i, letter := range j.arrived(dead, len(refusals)) {
				want := refusals[i]
				if !bytes.Equal(letter.Value, []byte(want.value)) {
					t.Errorf("dead letter %d holds %q, not the original %q", i, letter.Value, want.value)
				}
				if got := header(t, letter, "penstock.stage"); got != want.stage {
					t.Errorf("%q: stage %s, want %s", want.value, got, want.stage)
				}
				wantIn(t, header(t, letter, "penstock.error"), want.reason)
				wantIn(t, header(t, letter, "__connect.errors.exception.message"), want.reason)
				wantIn(t, header(t, letter, "penstock.origin"), j.keys[0]+" ")
				if header(t, letter, "penstock.pipeline") != j.name || header(t, letter, "penstock.time") == "" {
					t.Error("pipeline or time is missing")
				}
			}
		})
	}
}

// TestRefusedHalts wants each refused value to end the pipeline at its place,
// with everything before it delivered and nothing of it said aloud.
func TestRefusedHalts(t *testing.T) {
	t.Parallel()
	for _, r := range refusals {
		t.Run(r.stage, func(t *testing.T) {
			t.Parallel()
			j, shop := newJob(t, "redis_list"), newShop()
			j.push(shop, 1500, 0).Do(t)
			j.items(r.value, `{"user_id":"u1"}`)
			log := j.refused(exitFailed, r.stage+" refused the record at shard "+j.keys[0]+", position 0-1501", r.reason)
			if quoted := strings.Trim(strconv.Quote(r.value), `"`); quoted != "" && strings.Contains(log, quoted) {
				t.Errorf("the log holds the payload:\n%s", log)
			}
			j.arrived(j.name, 1000) // the whole batches before it
		})
	}
}

// TestBytesGoThrough sends what no format could read through a pipeline that
// reads nothing.
func TestBytesGoThrough(t *testing.T) {
	t.Parallel()
	j := newJob(t, "redis_list")
	j.format, j.key = "", ""
	want := []string{"\xff\xfe\x00\r\n", "not json", "{", "\x00", "né"}
	j.items(want...)
	j.drain()
	got := map[string]bool{}
	for _, r := range j.arrived(j.name, len(want)) {
		got[string(r.Value)] = true
	}
	for _, value := range want {
		if !got[value] {
			t.Errorf("%q did not come as it was", value)
		}
	}
}
