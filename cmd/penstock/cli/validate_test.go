package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/connectors/kafka"
)

func TestValidateTellsEveryMistake(t *testing.T) {
	got := penstock(t, "validate", "testdata/mistakes.yaml", "testdata/dead-letters.yaml")
	if got.code != 2 || got.out != "" {
		t.Errorf("code %d, stdout %q; mistakes belong on stderr", got.code, got.out)
	}
	golden(t, "mistakes", got.errOut)
}

// TestOneTopicForDeadLetters is a mistake that only the binary knows.
func TestOneTopicForDeadLetters(t *testing.T) {
	got := penstock(t, "validate", "testdata/dead-letters.yaml")
	want := "testdata/dead-letters.yaml:6:5: dead letters would go to topic theirs and to topic ours: a pipeline has one place for them; write the same one; each letter says which stage has refused it\n"
	if got != (answer{2, "", want}) {
		t.Errorf("got %+v, want %q", got, want)
	}
}

func TestDeadLettersHaveATopicOfTheirOwn(t *testing.T) {
	for topic, want := range map[string]string{
		"events":              "dead letters would go to events, among the records that are well; write one of their own, like events_dead",
		"_penstock_positions": "dead letters would go to topic \"_penstock_positions\": it holds Penstock's own positions; choose another topic",
		"a/b":                 "dead letters would go to topic \"a/b\": not a name of a Kafka topic; write up to 249 of a-z, A-Z, 0-9, . _ and -",
	} {
		name := file(t, `name: mixed
source:
  redis_list: {keys: [a]}
  format: json
sink:
  kafka: {brokers: ["localhost:9092"], topic: events}
on_error: {then: dead_letter, dead_letter: {kafka: {topic: `+topic+`}}}
`)
		got := penstock(t, "validate", name)
		if want = name + ":1:1: " + want + "\n"; got != (answer{2, "", want}) {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
}

// TestBrokersOfTheEnvironment: one variable with several of them is what people
// have.
func TestBrokersOfTheEnvironment(t *testing.T) {
	t.Setenv("KAFKA_BROKERS", "a:9092,b:9093")
	pipelines, err := BuiltIn().parse([]string{"../../../configs/user-behavior.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if got := pipelines[0].Sink.Settings.(*kafka.SinkSettings).Brokers; !slices.Equal(got, []string{"a:9092", "b:9093"}) {
		t.Errorf("got %q", got)
	}
	t.Setenv("KAFKA_BROKERS", "a:9092,b:99999")
	got := penstock(t, "validate", "../../../configs/user-behavior.yaml")
	if got.code != 2 || !strings.Contains(got.errOut, "brokers[0]: number 2 of its 2 is not an address; write host:port") {
		t.Errorf("got %+v", got)
	}
}

func TestValidateJSON(t *testing.T) {
	got := penstock(t, "validate", "--json", "testdata/mistakes.yaml")
	if got.code != 2 || got.errOut != "" {
		t.Errorf("code %d, stderr %q; the answer is on stdout", got.code, got.errOut)
	}
	golden(t, "mistakes-json", got.out)
	var v verdict
	if err := json.Unmarshal([]byte(got.out), &v); err != nil || v.Valid || len(v.Mistakes) < 5 {
		t.Errorf("%v: %+v", err, v)
	}

	got = penstock(t, "validate", "--json", "../../../configs/user-behavior.yaml", "../../../configs/user-behavior-stream.yaml")
	want := "{\n  \"valid\": true,\n  \"pipelines\": [\n    \"user-behavior\",\n    \"user-behavior-stream\"\n  ],\n  \"mistakes\": []\n}\n"
	if got != (answer{0, want, ""}) {
		t.Errorf("got %+v, want %s", got, want)
	}
}

func TestValidateValid(t *testing.T) {
	got := penstock(t, "validate", "../../../configs/user-behavior.yaml")
	want := "../../../configs/user-behavior.yaml: user-behavior is valid: redis_list → kafka, exactly_once\n"
	if got != (answer{0, want, ""}) {
		t.Errorf("got %+v, want %q", got, want)
	}
}

func TestExplain(t *testing.T) {
	t.Setenv("SHOP_PASSWORD", "correct-horse")
	for _, name := range []string{"../../../configs/user-behavior-nightly.yaml", "../../../configs/user-behavior-sharded.yaml", "testdata/secrets.yaml", "testdata/weak.yaml", "testdata/watermill.yaml"} {
		got := penstock(t, "explain", name)
		if got.code != 0 || got.errOut != "" {
			t.Errorf("%s: %+v", name, got)
		}
		if strings.Contains(got.out, "correct-horse") {
			t.Errorf("%s: the secret is shown:\n%s", name, got.out)
		}
		golden(t, "explain-"+strings.TrimSuffix(filepath.Base(name), ".yaml"), got.out)
		golden(t, "mermaid-"+strings.TrimSuffix(filepath.Base(name), ".yaml"), penstock(t, "explain", "--mermaid", name).out)
	}
}

func TestExplainJSON(t *testing.T) {
	t.Setenv("SHOP_PASSWORD", "correct-horse")
	got := penstock(t, "explain", "--json", "testdata/weak.yaml", "testdata/secrets.yaml")
	var all []explanation
	if err := json.Unmarshal([]byte(got.out), &all); err != nil || got.code != 0 {
		t.Fatalf("%v: %+v", err, got)
	}
	if len(all) != 2 || all[0].Delivery != "at_most_once" || all[1].Delivery != "exactly_once" || strings.Contains(got.out, "correct-horse") {
		t.Errorf("got %s", got.out)
	}
}

// TestExplainedFileIsAFile: what explain shows can be saved and used, but for what
// is masked.
func TestExplainedFileIsAFile(t *testing.T) {
	t.Setenv("REDIS_URL", "")
	for _, name := range []string{"user-behavior", "user-behavior-stream", "user-behavior-sharded", "user-behavior-nightly"} {
		pipelines, err := BuiltIn().parse([]string{"../../../configs/" + name + ".yaml"})
		if err != nil {
			t.Fatal(err)
		}
		e, err := BuiltIn().explain(pipelines[0])
		if err != nil {
			t.Fatal(err)
		}
		again := file(t, strings.Replace(e.File, "********", "redis://localhost:6379/0", 1))
		if got := penstock(t, "validate", again); got.code != 0 {
			t.Errorf("%s: %s\n%s", name, got.errOut, e.File)
		}
	}
}

func TestSchemaIsGenerated(t *testing.T) {
	const path = "../../../configs/penstock.schema.json"
	got := penstock(t, "schema")
	if got.code != 0 || got.errOut != "" {
		t.Fatalf("%+v", got)
	}
	if *update {
		if err := os.WriteFile(path, []byte(got.out), 0o644); err != nil { //nolint:gosec // everybody may read it
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.out != string(want) {
		t.Errorf("%s is not what penstock schema gives; run this test with -update", path)
	}
}
