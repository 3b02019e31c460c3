package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// lookup knows a few variables and files.
func lookup() config.Lookup {
	variables := map[string]string{
		"KAFKA_PASSWORD": "open sesame", "EMPTY": "", "TOPIC": "from_env",
		"BAD_URL": "http://user:hunter2@host", "WITHIN": "5m",
	}
	files := map[string]string{"/run/secrets/token": "s3cr3t-token\n", "/run/secrets/lines": "a\nb\r\n"}
	return config.Lookup{
		Env: func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, fmt.Errorf("open: %w", fs.ErrNotExist)
		},
	}
}

func parse(text string) ([]*config.Pipeline, error) {
	return config.Parse(catalog(), lookup(), config.File{Name: "test.yaml", Data: []byte(text)})
}

// minimal is a small good file with lines put in under redis_list and at the end.
func minimal(source, rest string) string {
	return "name: p\nsource:\n  redis_list:\n    keys: [a]\n" + source + "sink: {kafka: {brokers: [b], topic: t}}\n" + rest
}

func one(t *testing.T, text string) *config.Pipeline {
	t.Helper()
	pipelines, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if len(pipelines) != 1 {
		t.Fatalf("%d pipelines", len(pipelines))
	}
	return pipelines[0]
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

func TestParseGivesATypedSpec(t *testing.T) {
	text, err := os.ReadFile("testdata/user-behavior.good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p := one(t, string(text))
	equal(t, "name", p.Name, "user-behavior")
	equal(t, "at", p.At, config.Place{File: "test.yaml", Line: 2, Col: 1})
	list := p.Source.Settings.(*listSettings)
	equal(t, "url", list.Connection.URL.Reveal(), "redis://localhost:6379/0")
	equal(t, "trigger", list.Trigger, trigger{Mode: "continuous"})
	equal(t, "tls", list.TLS, (*tlsSettings)(nil))
	equal(t, "source at", p.Source.At, config.Place{File: "test.yaml", Line: 4, Col: 3})
	equal(t, "source format", p.Source.Format.Component, "json")
	equal(t, "batch", p.Source.Batch, config.Batch{Records: 1000, Bytes: 4 << 20})
	equal(t, "steps", len(p.Transforms), 5)
	equal(t, "dedupe", p.Transforms[1].Settings, any(&dedupeSettings{Key: "value.event_id", Within: 10 * time.Minute, MaxKeys: 1_000_000}))
	equal(t, "when", p.Transforms[1].When, pipeline.Expression("has(value.event_id)"))
	equal(t, "its on_error", p.Transforms[1].OnError.Then, "drop")
	equal(t, "set", p.Transforms[2].Settings.(*setSettings).Values, map[string]any{
		"value.channel": "web", "value.version": json.Number("12.50"), "value.big": json.Number("9223372036854775808"),
		"value.list": []any{"a", map[string]any{"b": nil}}})
	equal(t, "password", p.Sink.Settings.(*kafkaSettings).SASL.Password.Reveal(), "open sesame")
	equal(t, "delivery", p.Delivery, pipeline.ExactlyOnce)
	equal(t, "dead letters", p.OnError.DeadLetter.Kafka.Topic, "user_behavior_dead")
	equal(t, "window", p.Window, config.Window{Batches: 64, Bytes: 64 << 20})
	equal(t, "commit", p.Commit, config.Commit{Every: 50 * time.Millisecond, Records: 100_000})
	equal(t, "given", *p.Tests[1].Given[0].Value, any("${not expanded"))
	equal(t, "expected", (*p.Tests[0].Expect[0].Value).(map[string]any)["total"], any(json.Number("6")))
	equal(t, "expected key", *p.Tests[0].Expect[0].Key, any("u1"))
	equal(t, "expected topic", p.Tests[0].Expect[0].Topic, "")
}

func TestFormatsFollowTheSource(t *testing.T) {
	p := one(t, minimal("", ""))
	equal(t, "source format", p.Source.Format.Component, "bytes")
	equal(t, "sink format", p.Sink.Format, (*config.Use)(nil))

	p = one(t, "name: p\nsource: {redis_stream: {keys: [a]}}\nsink: {kafka: {brokers: [b], topic: t}}\n")
	equal(t, "format of a source with fields", p.Source.Format, (*config.Use)(nil))
	equal(t, "sink format", p.Sink.Format.Component, "json")
}

func TestATransformUsesThePipelinesDeadLetters(t *testing.T) {
	p := one(t, minimal("", `
transforms: [{filter: "true", on_error: {then: dead_letter}}]
on_error: {dead_letter: {kafka: {topic: dead}}}`))
	equal(t, "then", p.OnError.Then, "halt")
	equal(t, "topic", p.Transforms[0].OnError.DeadLetter.Kafka.Topic, "dead")
}

func TestTextsTakeVariables(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                      "plain",
		"${TOPIC}":                   "from_env",
		"a-${TOPIC}-${EMPTY}z":       "a-from_env-z",
		"${NONE:-x:-y}":              "x:-y",
		"${EMPTY:-default}":          "default",
		"-${NONE:-}":                 "-",
		"${file:/run/secrets/token}": "s3cr3t-token",
		"${file:/run/secrets/lines}": "a\nb",
		"$${TOPIC} $$ $ $x x$":       "${TOPIC} $ $ $x x$",
		"2024-01-01":                 "2024-01-01",
	} {
		p := one(t, minimal("    tls: {ca: "+fmt.Sprintf("%q", text)+"}\n", ""))
		equal(t, text, p.Source.Settings.(*listSettings).TLS.CA, want)
	}
}

func TestDurationsAndSizesTakeVariables(t *testing.T) {
	p := one(t, minimal("", "commit: {every: \"${WITHIN}\"}\nwindow: {bytes: \"${NONE:-2 GB}\"}\n"))
	equal(t, "duration", p.Commit.Every, 5*time.Minute)
	equal(t, "size", p.Window.Bytes, pipeline.Size(2e9))
}

func TestExpressionsTakeNoVariables(t *testing.T) {
	p := one(t, minimal("", "transforms:\n  - filter: key == \"${TOPIC} $$\"\n"))
	equal(t, "expression", p.Transforms[0].Settings.(*filterSettings).Condition, pipeline.Expression(`key == "${TOPIC} $$"`))
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]pipeline.Size{
		"1": 1, "12 B": 12, "64KiB": 64 << 10, "4 MiB": 4 << 20, "1 GiB": 1 << 30, "2TiB": 2 << 40, "3 KB": 3e3, "1 TB": 1e12,
	} {
		equal(t, text, one(t, minimal("", "window: {bytes: "+text+"}\n")).Window.Bytes, want)
	}
	for _, text := range []string{"MiB", "1.5 MiB", "1 mib", "-1", "99999999999 GiB", "1 Mi B", "''", "4 iB"} {
		if _, err := parse(minimal("", "window: {bytes: "+text+"}\n")); err == nil {
			t.Errorf("%s is taken for a size", text)
		}
	}
}

func TestNumbersAreKeptDigitByDigit(t *testing.T) {
	for text, want := range map[string]string{
		"1": "1", "-1.50": "-1.50", "+7": "7", "0x1f": "31", "0o17": "15", "1_000": "1000", ".5": "0.5", "1e3": "1e3", "123456789012345678901234567890": "123456789012345678901234567890",
	} {
		p := one(t, minimal("", "transforms: [set: {key: "+text+"}]\n"))
		equal(t, text, p.Transforms[0].Settings.(*setSettings).Values["key"], any(json.Number(want)))
	}
}

func TestNamesDifferOverAllFiles(t *testing.T) {
	data := []byte(minimal("", ""))
	_, err := config.Parse(catalog(), lookup(), config.File{Name: "b.yaml", Data: data}, config.File{Name: "a.yaml", Data: data})
	if err == nil || err.Error() != "a.yaml:1:7: another pipeline is called p, at b.yaml:1:7; give each pipeline its own name" {
		t.Errorf("got %v", err)
	}
}

func TestMistakesOfAllFilesInOneRun(t *testing.T) {
	bad := []byte("name: p\n")
	_, err := config.Parse(catalog(), lookup(), config.File{Name: "b.yaml", Data: bad}, config.File{Name: "a.yaml", Data: bad})
	var errs config.Errors
	if !errors.As(err, &errs) || len(errs) != 5 {
		t.Fatalf("got %v", err)
	}
	equal(t, "first", errs[0].At.File, "b.yaml")
	equal(t, "last", errs[4].At.File, "a.yaml")
}

func TestLimits(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"size":  {minimal("", "# "+strings.Repeat("x", 1<<20)), "test.yaml:1:1: the file has"},
		"nodes": {"name: [" + strings.Repeat("a,", 200_000) + "]", "more than 100000 values"},
		"errors": {minimal("", strings.Repeat("abcdefghijk: 1\n", 250)),
			"50 more mistakes are not shown; mend these first"},
		"name":  {strings.Replace(minimal("", ""), "name: p", "name: "+strings.Repeat("p", 201), 1), "at most 200 letters"},
		"depth": {"name: " + strings.Repeat("{a: ", 100) + strings.Repeat("}", 100), "nested more than 64 levels"},
	} {
		_, err := parse(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %.300v", name, err)
		}
	}
}

// TestLargeFilesAreJudgedSoon holds files near the limits that could cost the square
// of their size.
func TestLargeFilesAreJudgedSoon(t *testing.T) {
	for name, text := range map[string]string{
		"mistakes":   minimal("", "transforms:\n"+strings.Repeat("- fliter: a\n", 20_000)),
		"transforms": minimal("", "transforms:\n"+strings.Repeat("- drop: [value.a]\n", 15_000)),
		"mangled":    minimal("", "transforms:\n"+strings.Repeat("- filter: !a ? b : c\n", 15_000)),
		"secrets":    minimal("", "transforms:\n"+strings.Repeat("- set: {key: \"${file:/run/secrets/token}\"}\n", 15_000)),
		"expression": minimal("", "transforms:\n- filter: |\n"+strings.Repeat("    key ==\n", 60_000)+"    wrong\n"),
	} {
		start := time.Now()
		_, err := parse(text)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		if name != "secrets" && err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestWindowsFiles(t *testing.T) {
	text := "\uFEFF" + strings.ReplaceAll(minimal("", "transforms:\n  - filter: vlaue.a\n"), "\n", "\r\n")
	_, err := parse(text)
	want := "test.yaml:7:13: undeclared reference to 'vlaue'; write key, value, headers, topic, time or origin"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	p := one(t, minimal("    url: redis://user:hunter2@host\n", "transforms: [set: {key: \"x ${file:/run/secrets/token}\"}]\n"))
	text, err := config.Effective(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(text), fmt.Sprintf("%+v", p), fmt.Sprintf("%#v", p.Source.Settings)} {
		if strings.Contains(shown, "hunter2") || strings.Contains(shown, "s3cr3t") {
			t.Errorf("a secret is shown: %s", shown)
		}
	}
}

func TestNothingToLookUpWith(t *testing.T) {
	text := minimal("    url: ${A}\n", "delivery: ${file:/a}\n")
	_, err := config.Parse(catalog(), config.Lookup{}, config.File{Name: "f", Data: []byte(text)})
	want := "f:5:10: the variable A is not set: source.redis_list.url; set it, or write ${A:-default}\n" +
		"f:7:11: files cannot be read here: delivery; write the text itself, or a variable"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}
