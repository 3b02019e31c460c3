//go:build unix

package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// previewFile writes a pipeline that has something to show of each kind.
func previewFile(t *testing.T, e *pipelinetest.EmbeddedServers, source string) string {
	t.Helper()
	return file(t, fmt.Sprintf(`name: shop
source:
  %s
  format: json
transforms:
  - filter: value.action == "buy"
  - dedupe: {key: value.id, within: 1h}
  - set: {value.channel: web}
sink:
  kafka: {brokers: ["%s"], topic: out, key: value.user, create_topic: {partitions: 1}}
on_error: {then: dead_letter, dead_letter: {kafka: {topic: dead}}}
`, source, e.KafkaAddr))
}

var previewEvents = []string{
	`{"id":1,"user":"u1","action":"buy"}`, `{"id":2,"user":"u1","action":"view"}`, `{"id":1,"user":"u1","action":"buy"}`, "no \x1b JSON", `{"id":3,"user":"u2","action":"buy"}`,
}

const previewed5 = `
events 0-1
  came               {"id":1,"user":"u1","action":"buy"}
  transforms[2].set  {"id":1,"user":"u1","action":"buy","channel":"web"}
  sink.key           key=u1
  goes out           to topic out

events 0-2
  came      {"id":2,"user":"u1","action":"view"}
  filtered  by transforms[0].filter

events 0-3
  came       {"id":1,"user":"u1","action":"buy"}
  duplicate  by transforms[1].dedupe

events 0-4
  came         "no \x1b JSON"
  dead_letter  source.format: `

// TestPreview of each source, before a pipeline has run and after it: what waits is shown,
// and nothing in Redis is changed by it.
func TestPreview(t *testing.T) {
	for _, source := range []string{"list", "stream", "group"} {
		t.Run(source, func(t *testing.T) {
			e := pipelinetest.Embedded(t)
			settings := fmt.Sprintf("redis_list: {url: \"redis://%s\", keys: [events]}", e.RedisAddr)
			push := func(_ int, event string) { e.Redis.Push("events", event) } //nolint:errcheck // the preview tells
			if source != "list" {
				settings = fmt.Sprintf("redis_stream: {url: \"redis://%s\", keys: [events], value_field: v}", e.RedisAddr)
				push = func(i int, event string) {
					e.Redis.XAdd("events", fmt.Sprintf("0-%d", i+1), []string{"v", event}) //nolint:errcheck // the preview tells
				}
			}
			name := previewFile(t, e, settings)
			if source == "group" {
				name = previewFile(t, e, strings.Replace(settings, "value_field: v", "value_field: v, group: {name: g}", 1)+"\ndelivery: at_least_once")
				name = file(t, strings.Replace(read(t, name), "\ndelivery: at_least_once\n  format", "\n  format", 1)+"delivery: at_least_once\n")
			}
			for i, event := range previewEvents {
				push(i, event)
			}
			before := e.Redis.Dump()
			got := penstock(t, "preview", "--records", "4", name)
			if got.code != 0 || !strings.HasPrefix(got.out, "shop ("+name+":1:1): 4 records of redis_") || !strings.Contains(got.out, strings.TrimSpace(previewed5)) {
				t.Errorf("%+v", got)
			}
			if after := e.Redis.Dump(); after != before {
				t.Errorf("Redis held\n%s\nand holds\n%s", before, after)
			}
			if got := penstock(t, "run", "--until-drained", name); got.code != 0 {
				t.Fatalf("%+v", got)
			}
			for i, event := range previewEvents[:2] {
				push(len(previewEvents)+i, event)
			}
			before = e.Redis.Dump()
			got = penstock(t, "preview", "--json", name)
			var answer struct {
				Records []previewJSON `json:"records"`
			}
			if err := json.Unmarshal([]byte(got.out), &answer); err != nil || len(answer.Records) != 2 {
				t.Fatalf("%+v", got)
			}
			first, second := answer.Records[0], answer.Records[1]
			if first.Shard != "events" || first.Position != "0-6" || *first.Came.Value != previewEvents[0] || first.Outcome != "delivered" || len(first.Stages) != 2 ||
				first.GoesOut.Topic != "out" || *first.GoesOut.Key != "u1" || *first.GoesOut.Value != `{"id":1,"user":"u1","action":"buy","channel":"web"}` ||
				second.Outcome != "filtered" || second.GoesOut != nil {
				t.Errorf("%s", got.out)
			}
			if after := e.Redis.Dump(); after != before {
				t.Errorf("Redis held\n%s\nand holds\n%s", before, after)
			}
		})
	}
}

// TestPreviewSaysWhatItDoesNotShow: shards and records that are left out, and shards that do
// not continue what was delivered.
func TestPreviewSaysWhatItDoesNotShow(t *testing.T) {
	e := pipelinetest.Embedded(t)
	name := file(t, fmt.Sprintf("name: shop\nsource:\n  redis_list: {url: \"redis://%s\", keys: [a, b, c]}\nsink:\n  kafka: {brokers: [\"%s\"], topic: out, create_topic: {partitions: 1}}\n", e.RedisAddr, e.KafkaAddr))
	for _, key := range []string{"a", "b", "c"} {
		e.Redis.Push(key, "1", "2") //nolint:errcheck // the preview tells
	}
	got := penstock(t, "preview", "--records", "2", name)
	if got.code != 0 || !strings.Contains(got.out, "2 records of") || !strings.Contains(got.out, "not looked at, for want of records: c") {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "run", "--until-drained", name); got.code != 0 {
		t.Fatalf("%+v", got)
	}
	e.Redis.Push("b", "small", strings.Repeat("x", 9<<20), "after") //nolint:errcheck // the preview tells
	got = penstock(t, "preview", "--shard", "b", name)
	if got.code != 0 || !strings.Contains(got.out, "b: more waits than the 8 MiB that are shown") || !strings.Contains(got.out, "1 record of") || strings.Contains(got.out, "does not continue") {
		t.Errorf("code %d, %.500s", got.code, got.out)
	}
	e.Redis.FlushAll()
	e.Redis.Push("b", "3") //nolint:errcheck // the preview tells
	got = penstock(t, "preview", "--shard", "b", name)
	if got.code != 0 || !strings.Contains(got.out, "b: it does not continue what was delivered, and a run goes by on_gap: list b was never read: it has no companion") {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "preview", "--shard", "d", name); got.code != exitFailed || !strings.Contains(got.errOut, "there is no shard d") {
		t.Errorf("%+v", got)
	}
}

func TestPreviewRefuses(t *testing.T) {
	name := file(t, "name: p\nsource:\n  generate: {events: 1}\nsink:\n  drop: {}\ndelivery: at_least_once\n")
	if got := penstock(t, "preview", name); got.code != exitFailed || !strings.Contains(got.errOut, "the source generate cannot show records without taking them") {
		t.Errorf("%+v", got)
	}
	if got := penstock(t, "preview", "--records", "0", name); got.code != exitInvalid {
		t.Errorf("%+v", got)
	}
}

// TestPreviewOfAFile, whose last line has no end.
func TestPreviewOfAFile(t *testing.T) {
	lines := file(t, "{\"a\":1}\n{\"a\":2}\n{\"a\":3}")
	name := file(t, "name: p\nsource:\n  file: {path: "+lines+"}\n  format: json\ntransforms: [extract: value.a]\nsink:\n  drop: {}\ndelivery: at_least_once\n")
	got := penstock(t, "preview", name)
	if got.code != 0 || !strings.Contains(got.out, "3 records of file") || strings.Count(got.out, "transforms[0].extract") != 3 || strings.Count(got.out, "goes out") != 3 {
		t.Errorf("%+v", got)
	}
}

// TestPreviewOfParts: each part is followed to its end, and of many the first are shown.
func TestPreviewOfParts(t *testing.T) {
	e := pipelinetest.Embedded(t)
	name := file(t, fmt.Sprintf(`name: shop
source: {redis_list: {url: "redis://%s", keys: [events]}, format: json}
transforms:
  - split: {field: value.items, into: value.item}
  - filter: value.item > 0
  - validate: {that: value.item < 100, message: too much}
sink:
  kafka: {brokers: ["%s"], topic: out, key: value.user, create_topic: {partitions: 1}}
on_error: {then: drop}
`, e.RedisAddr, e.KafkaAddr))
	e.Redis.Push("events", `{"user":"u1","items":[1,-2,300]}`, `{"user":"u2","items":[4]}`, `{"user":"u3","items":[`+strings.Repeat("5,", 29)+`5]}`) //nolint:errcheck // the preview tells
	got := penstock(t, "preview", name)
	const want = `
events 0-1
  came                         {"user":"u1","items":[1,-2,300]}
  transforms[0].split, part 1  {"user":"u1","item":1}
  transforms[0].split, part 2  {"user":"u1","item":-2}
  transforms[0].split, part 3  {"user":"u1","item":300}
  sink.key, part 1             key=u1
  goes out, part 1             to topic out
  filtered, part 2             by transforms[1].filter
  dropped, part 3              transforms[2].validate: too much

events 0-2
  came                 {"user":"u2","items":[4]}
  transforms[0].split  {"user":"u2","item":4}
  sink.key             key=u2
  goes out             to topic out
`
	if got.code != 0 || !strings.Contains(got.out, want) || strings.Count(got.out, "… and 10 more parts") != 3 {
		t.Errorf("%+v", got)
	}
	got = penstock(t, "preview", "--json", name)
	var answer struct {
		Records []previewJSON `json:"records"`
	}
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil || len(answer.Records) != 3 {
		t.Fatalf("%+v", got)
	}
	first, second := answer.Records[0], answer.Records[1]
	if first.Outcome != "split" || len(first.Parts) != 3 || len(first.Stages) != 4 || first.Stages[2].Part != 3 || first.Parts[1].Outcome != "filtered" ||
		first.Parts[2].Error != "transforms[2].validate: too much" || *first.Parts[0].GoesOut.Value != `{"user":"u1","item":1}` || second.Outcome != "delivered" || second.Parts != nil {
		t.Errorf("%s", got.out)
	}
	if got := penstock(t, "run", "--until-drained", name); got.code != 0 || !strings.Contains(got.errOut, `"read":3,"written":32`) || !strings.Contains(got.errOut, `"split":31`) {
		t.Errorf("%+v", got)
	}
}
