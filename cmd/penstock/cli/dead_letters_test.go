//go:build unix

package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// lettersFile writes a pipeline whose dead letters go to a place.
func lettersFile(t *testing.T, e *pipelinetest.EmbeddedServers, place, transforms string) string {
	t.Helper()
	return file(t, fmt.Sprintf(`name: shop
source:
  redis_list: {url: "redis://%s", keys: [events]}
  format: json
transforms: [%s]
sink:
  kafka: {brokers: ["%s"], topic: out, key: value.user, create_topic: {partitions: 1}}
on_error: {then: dead_letter, dead_letter: {%s}}
`, e.RedisAddr, transforms, e.KafkaAddr, place))
}

// TestDeadLetters: records that were refused are listed, shown and given back after the
// pipeline was mended, wherever they are kept, and arrive in the order in which they came.
func TestDeadLetters(t *testing.T) {
	for kind, place := range map[string]string{
		"topic":  "kafka: {topic: dead}",
		"stream": "redis_stream: {stream: dead}",
		"file":   "file: {path: " + filepath.Join(t.TempDir(), "dead.jsonl") + "}",
	} {
		t.Run(kind, func(t *testing.T) {
			e := pipelinetest.Embedded(t)
			wrong := lettersFile(t, e, place, "filter: value.price > 0")
			e.Redis.Push("events", `{"user":"u1","price":1}`, `{"user":"u1"}`, "no \x1b JSON", `{"user":"u1","n":2}`) //nolint:errcheck // the run tells
			got := penstock(t, "run", "--until-drained", wrong)
			if line := ended(t, got.errOut); got.code != 0 || number(t, line, "written") != 1 || number(t, line, "dead_lettered") != 3 {
				t.Fatalf("%+v", got)
			}

			list := listed(t, wrong)
			if list.Count != 3 || len(list.Letters) != 3 || !strings.HasPrefix(list.Kept, kind+" ") {
				t.Fatalf("%+v", list)
			}
			first, second := list.Letters[0], list.Letters[1]
			if first.Stage != "transforms[0].filter" || first.Transform != "filter" || *first.Value != `{"user":"u1"}` || first.Shard != "events" || first.Position != "0-2" ||
				first.Error == "" || time.Since(first.Time) > time.Minute || second.Stage != "source.format" || *second.Value != "no \x1b JSON" {
				t.Errorf("%+v", list)
			}
			people := penstock(t, "dead-letters", "list", "--limit", "2", wrong)
			for _, want := range []string{"shop (" + wrong + ":1:1): 3 dead letters in " + list.Kept, first.ID, "transforms[0].filter", "events 0-2", "… and 1 more"} {
				if !strings.Contains(people.out, want) {
					t.Errorf("%q is not in\n%s", want, people.out)
				}
			}
			if strings.Contains(people.out, "u1") {
				t.Errorf("list shows what letters hold:\n%s", people.out)
			}
			shown := penstock(t, "dead-letters", "show", wrong, second.ID)
			for _, want := range []string{second.ID, "source.format", "events 0-3", `no \u001b JSON`} {
				if !strings.Contains(shown.out, want) {
					t.Errorf("%q is not in\n%s", want, shown.out)
				}
			}

			right := lettersFile(t, e, place, "filter: has(value.user)")
			got = penstock(t, "dead-letters", "replay", right)
			if got.code != exitInvalid || !strings.Contains(got.errOut, "say --yes") {
				t.Errorf("%+v", got)
			}
			got = penstock(t, "dead-letters", "replay", "--yes", right, list.Letters[2].ID, first.ID)
			if got.code != 0 || !strings.Contains(got.out, "2        redis_list events  transforms[0].filter") || !strings.Contains(got.out, "2 dead letters given back") {
				t.Errorf("%+v", got)
			}
			if left := listed(t, right); left.Count != 1 || left.Letters[0].ID != second.ID {
				t.Errorf("left %+v", left)
			}
			got = penstock(t, "dead-letters", "replay", "--yes", right, first.ID)
			if got.code != exitFailed || !strings.Contains(got.errOut, "there is no dead letter "+first.ID) {
				t.Errorf("%+v", got)
			}
			if got := penstock(t, "run", "--until-drained", right); got.code != 0 {
				t.Fatalf("%+v", got)
			}
			var values []string
			for _, r := range consume(t, e, "out", 3) {
				values = append(values, string(r.Value))
			}
			if want := []string{`{"user":"u1","price":1}`, `{"user":"u1"}`, `{"user":"u1","n":2}`}; !slices.Equal(values, want) {
				t.Errorf("arrived %q", values)
			}

			got = penstock(t, "dead-letters", "replay", "--yes", "--json", right)
			var report replayReport
			if err := json.Unmarshal([]byte(got.out), &report); got.code != 0 || err != nil || report.GivenBack != 1 || len(report.Refused) != 0 {
				t.Errorf("%+v", got)
			}
			if left := listed(t, right); left.Count != 0 {
				t.Errorf("left %+v", left)
			}
			got = penstock(t, "dead-letters", "replay", "--yes", right)
			if got.code != exitFailed || !strings.Contains(got.errOut, "there are no dead letters in "+kind) {
				t.Errorf("%+v", got)
			}
			if got := penstock(t, "run", "--until-drained", right); got.code != 0 { // it is no better now
				t.Fatalf("%+v", got)
			}
			if left := listed(t, right); left.Count != 1 || left.Letters[0].ID == second.ID || *left.Letters[0].Value != "no \x1b JSON" {
				t.Errorf("left %+v", left)
			}
		})
	}
}

// listed gives what list --json says of the one pipeline of a file.
func listed(t *testing.T, name string) letterList {
	t.Helper()
	got := penstock(t, "dead-letters", "list", "--json", name)
	var lists []letterList
	if err := json.Unmarshal([]byte(got.out), &lists); got.code != 0 || err != nil || len(lists) != 1 {
		t.Fatalf("%+v", got)
	}
	return lists[0]
}

// TestDeadLettersThatStay: what cannot be given back does not stop the others.
func TestDeadLettersThatStay(t *testing.T) {
	e := pipelinetest.Embedded(t)
	name := lettersFile(t, e, "redis_stream: {stream: dead}", "filter: value.price > 0")
	for _, fields := range [][]string{
		{"value", "1", "penstock.pipeline", "shop", "penstock.stage", "sink", "penstock.origin", "events 0-1"},
		{"value", "2", "penstock.pipeline", "shop", "penstock.stage", "sink", "penstock.origin", "another 0-1"},
		{"value", "3", "penstock.pipeline", "shop", "penstock.stage", "sink", "penstock.origin", "events 0-2", "penstock.original.length", "9"},
		{"value", "4", "penstock.pipeline", "shop", "penstock.stage", "sink", "penstock.origin", "events 0-3"},
	} {
		e.Redis.XAdd("dead", "*", fields) //nolint:errcheck // the replay tells
	}
	got := penstock(t, "dead-letters", "replay", "--yes", name)
	if got.code != exitFailed || !strings.Contains(got.out, "2 dead letters given back") || !strings.Contains(got.errOut, "2 dead letters cannot be given back, and stay: ") ||
		!strings.Contains(got.errOut, "the source does not read another any more") {
		t.Errorf("%+v", got)
	}
	if items, err := e.Redis.List("events"); err != nil || !slices.Equal(items, []string{"1", "4"}) {
		t.Errorf("%q, %v", items, err)
	}
	if left := listed(t, name); left.Count != 2 {
		t.Errorf("left %+v", left)
	}
}

// TestDeadLettersAreExplained: what is weaker about them is said.
func TestDeadLettersAreExplained(t *testing.T) {
	for place, twice := range map[string]bool{"kafka: {topic: dead}": false, "redis_stream: {stream: dead}": true, "file: {path: dead.jsonl}": true} {
		name := file(t, "name: p\nsource:\n  redis_list: {keys: [a]}\n  format: json\nsink:\n  kafka: {brokers: [\"localhost:9092\"], topic: out}\non_error: {then: dead_letter, dead_letter: {"+place+"}}\n")
		got := penstock(t, "explain", name)
		if got.code != 0 || !strings.Contains(got.out, "a record it refuses: goes to ") || strings.Contains(got.out, "none is lost, and after a crash one may be there twice") != twice {
			t.Errorf("%s: %+v", place, got)
		}
	}
}

func TestDeadLettersOfPipelinesWithout(t *testing.T) {
	none := file(t, "name: p\nsource:\n  generate: {events: 1}\nsink:\n  drop: {}\ndelivery: at_least_once\n")
	got := penstock(t, "dead-letters", "list", none)
	if got.code != exitFailed || !strings.Contains(got.errOut, "pipeline p: nothing of it goes to dead letters") {
		t.Errorf("%+v", got)
	}
	noReturn := file(t, "name: p\nsource:\n  generate: {events: 1}\nsink:\n  drop: {}\ndelivery: at_least_once\non_error: {then: dead_letter, dead_letter: {file: {path: none.jsonl}}}\n")
	got = penstock(t, "dead-letters", "replay", noReturn)
	if got.code != exitFailed || !strings.Contains(got.errOut, "nothing can be given back to the source generate") {
		t.Errorf("%+v", got)
	}
	for _, args := range [][]string{{"dead-letters", "lst", none}, {"dead-letters", "list", "--limit", "0", none}, {"dead-letters", "show", none}} {
		if got := penstock(t, args...); got.code != exitInvalid {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

func TestDeadLetterForPeople(t *testing.T) {
	letter := pipeline.DeadLetter{
		ID: "0-17", Stage: "transforms[0].filter", Error: "no\nfield", Shard: "events", Offset: pipeline.Offset{Minor: 18}, Attempts: 3,
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Stamp: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Cut: true,
		Key: []byte("u\x1b[31m"), Headers: []pipeline.Header{{Key: "a\r", Value: []byte("1")}, {Key: "b", Value: []byte{0xff}}}, Value: []byte("{\"a\": \"\u202egpj\"}\nnext"),
	}
	var out strings.Builder
	if err := writeLetter(&out, letter); err != nil {
		t.Fatal(err)
	}
	want := `0-17
  refused         2026-01-02T03:04:05.000000006Z
  by              transforms[0].filter
  why             no field
  from            events 0-18
  tried           3 times
  time            2026-01-02T03:04:05Z
  key             "u\x1b[31m"
  header a\u000d  1
  header b        "\xff"
  it is not whole: there was no room for all of it
{"a": "\u202egpj"}
next
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	if got := valueText([]byte{0, 255}); !strings.HasPrefix(got, "00000000  00 ff") {
		t.Errorf("got %q", got)
	}
	if got := valueText(nil); got != "  no value" {
		t.Errorf("got %q", got)
	}
}
