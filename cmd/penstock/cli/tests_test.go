package cli

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTests: what people, programs and CI read of tests that pass and fail. The
// formats, transforms, policies and topics are the real ones.
func TestTests(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report.xml")
	got := penstock(t, "test", "--junit", report, "testdata/tests.yaml")
	if got.code != 1 || got.errOut != "" {
		t.Errorf("%+v", got)
	}
	golden(t, "tests", got.out)
	junit, err := os.ReadFile(report)
	if err != nil || xml.Unmarshal(junit, &struct{}{}) != nil {
		t.Fatal(err)
	}
	golden(t, "tests-junit", string(junit))
	got = penstock(t, "test", "--json", "testdata/tests.yaml")
	if got.code != 1 || got.errOut != "" {
		t.Errorf("%+v", got)
	}
	golden(t, "tests-json", got.out)
}

// TestTestsInColour is what a terminal shows.
func TestTestsInColour(t *testing.T) {
	pipelines, err := BuiltIn().parse([]string{"testdata/tests.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	all, err := BuiltIn().tryAll(t.Context(), pipelines)
	if err != nil {
		t.Fatal(err)
	}
	text := testsText(all)
	for _, want := range []string{"\x1b[32mok\x1b[m", "\x1b[31mFAIL\x1b[m", "\x1b[31m-       \"total\": 6,\x1b[m", "\x1b[32m+       \"total\": 5,\x1b[m"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%q", want, text)
		}
	}
}

// TestUpdateTests: the files then expect what came, every test passes, and nothing else
// in them has changed.
func TestUpdateTests(t *testing.T) {
	text, err := os.ReadFile("testdata/tests.yaml")
	if err != nil {
		t.Fatal(err)
	}
	name := file(t, string(text))
	beside := besideName(name)
	if err := os.WriteFile(beside, []byte("pipeline: shop\ntests:\n- name: beside\n  given: [{value: {action: view}}]\n  expect:\n  - key: x\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if got := penstock(t, "test", "--update", name); got != (answer{0, "5 tests, 4 updated\n", ""}) {
		t.Errorf("%+v", got)
	}
	for n, path := range map[string]string{"tests-updated": name, "tests-updated-beside": beside} {
		updated, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, n, string(updated))
	}
	if info, err := os.Stat(beside); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file's mode is %v (%v)", info.Mode(), err)
	}
	if got := penstock(t, "test", name); got.code != 0 || !strings.HasSuffix(got.out, "5 tests, 0 failed\n") {
		t.Errorf("%+v", got)
	}
	before, _ := os.ReadFile(name)
	if got := penstock(t, "test", "--update", name); got != (answer{0, "5 tests, 0 updated\n", ""}) {
		t.Errorf("%+v", got)
	}
	if after, _ := os.ReadFile(name); string(after) != string(before) {
		t.Errorf("an update of nothing wrote\n%s", after)
	}
}

// TestUpdateLeavesAFileAlone that it cannot update in every place.
func TestUpdateLeavesAFileAlone(t *testing.T) {
	const head = "name: a\nsource: {redis_list: {keys: [a]}, format: json}\nsink: {kafka: {brokers: [\"localhost:9092\"], topic: a}}\ntests:\n" +
		"  - name: would be updated\n    given: [{value: {a: 1}}]\n    expect: []\n"
	for text, want := range map[string]string{
		"  - {name: in a line, given: [{value: {a: 1}}], expect: []}\n":                                         ":8:49: expect stands in a line with others, and cannot be updated; write it on a line of its own\n",
		"  - name: a number that YAML takes for text\n    given: [{value: '{\"n\": 1E400}'}]\n    expect: []\n": "nothing was written: the files as they would be do not pass; write expect on lines of its own, with what the difference shows\n",
		"  - {name: in lines, given: [{value: {a: 1}}],\n     expect: [\n]}\n":                                  "nothing was written: the files as they would be do not pass; write expect on lines of its own, with what the difference shows\n",
	} {
		name := file(t, head+text)
		got := penstock(t, "test", "--update", name)
		if got.code != 2 || got.out != "" || !strings.HasPrefix(strings.TrimPrefix(got.errOut, name), want) {
			t.Errorf("%+v, want %q", got, want)
		}
		if after, err := os.ReadFile(name); err != nil || string(after) != head+text {
			t.Errorf("%v: the file is now\n%s", err, after)
		}
	}
}

// TestFilesOfTests: a file beside is found by its name; commands that are given a
// pattern pass over it.
func TestFilesOfTests(t *testing.T) {
	const text = "name: a\nsource: {redis_stream: {keys: [a]}}\nsink: {kafka: {brokers: [\"localhost:9092\"], topic: a}}\n"
	name := file(t, text)
	beside := besideName(name)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(beside, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := penstock(t, "test", name); got != (answer{2, "", name + ": there is no test; write tests: into the file, or into " + beside + "\n"}) {
		t.Errorf("%+v", got)
	}
	write("tests:\n  - {name: b, given: [{value: {n: '1'}}], expect: [{value: {n: '1'}, topic: a}]}\n")
	valid := name + ": a is valid: redis_stream → kafka, exactly_once\n"
	for _, args := range [][]string{{"validate", name, beside}, {"validate", name}} {
		if got := penstock(t, args...); got != (answer{0, valid, ""}) {
			t.Errorf("%v: %+v", args, got)
		}
	}
	for _, args := range [][]string{{"test", name, beside}, {"test", name}} {
		if got := penstock(t, args...); got != (answer{0, "a (" + name + ")\n  ok    b\n1 test, 0 failed\n", ""}) {
			t.Errorf("%v: %+v", args, got)
		}
	}
	if got := penstock(t, "run", beside); got != (answer{2, "", beside + " holds tests of the pipelines beside it; name the pipeline file\n"}) {
		t.Errorf("%+v", got)
	}
	write("tests:\n  - {name: b, given: [{value: {n: 1}}, {value: text}], expect: [{x: 1}]}\n")
	mistakes := beside + ":2:48: the values of this redis_stream are objects, and this is none; write an object, like {user_id: u1}\n" +
		beside + ":2:66: unknown field \"x\" in tests[0].expect[0]; write one of key, value, headers, topic, time, outcome, error\n"
	for _, command := range []string{"validate", "test"} {
		if got := penstock(t, command, name); got != (answer{2, "", mistakes}) {
			t.Errorf("%s: %+v", command, got)
		}
	}
	write("tests:\n  - {name: b, given: [{value: {n: 1}}], expect: []}\n")
	if got := penstock(t, "test", name); got != (answer{2, "", beside + ":2:23: the fields of an entry are texts, and n is none; put it in quotes, as Redis holds it\n"}) {
		t.Errorf("%+v", got)
	}
}

// TestTestsOfShippedConfigs: each of them has tests, and they pass.
func TestTestsOfShippedConfigs(t *testing.T) {
	for _, name := range shipped(t) {
		if got := penstock(t, "test", name); got.code != 0 || got.errOut != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestTestsHaveAClock: dedupe goes by it, and each test begins anew.
func TestTestsHaveAClock(t *testing.T) {
	const text = `name: a
source: {redis_list: {keys: [a]}, format: json}
transforms:
  - dedupe: {key: value.id, within: 10m}
sink: {kafka: {brokers: ["localhost:9092"], topic: a}}
tests:
  - name: by after
    given: [{value: {id: 1}}, {value: {id: 1}, after: 9m59s}, {value: {id: 1}, after: 1s}]
    expect: [{}, {outcome: duplicate}, {}]
  - name: by time
    given: [{value: {id: 1}, time: "2026-03-01T00:00:00Z"}, {value: {id: 1}, time: "2026-03-01T00:09:59Z"}, {value: {id: 1}, time: "2026-03-01T00:10:00Z"}]
    expect: [{}, {outcome: duplicate}, {time: "2026-03-01T00:10:00Z"}]
  - name: what another test has seen is new
    given: [{value: {id: 1}}]
    expect: [{time: "2026-01-01T00:00:00Z"}]
`
	if got := penstock(t, "test", file(t, text)); got.code != 0 || !strings.HasSuffix(got.out, "3 tests, 0 failed\n") {
		t.Errorf("%+v", got)
	}
}
