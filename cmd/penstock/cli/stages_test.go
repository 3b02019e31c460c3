package cli

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// parsed gives the pipeline of a text.
func parsed(t *testing.T, text string) *config.Pipeline {
	t.Helper()
	pipelines, err := BuiltIn().parseFiles(nil, config.File{Name: "test.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return pipelines[0]
}

func TestStages(t *testing.T) {
	const list = "name: a\nsource:\n  redis_list: {keys: [a]}\n"
	const stream = "name: a\nsource:\n  redis_stream: {keys: [a]}\n"
	const kafka = "sink:\n  kafka: {brokers: [\"localhost:9092\"], topic: a}\n"
	for name, tc := range map[string]struct{ text, want string }{
		"bytes go through":      {list + kafka, ""},
		"bytes said":            {list + "  format: bytes\n" + kafka, ""},
		"a format":              {list + "  format: json\n" + kafka, "source.format halt, sink.format halt"},
		"a key alone":           {list + "sink:\n  kafka: {brokers: [\"localhost:9092\"], topic: a, key: origin.shard}\n", "sink.key halt, sink.format halt"},
		"a written format":      {list + kafka + "  format: text\n", "sink.format halt"},
		"fields without format": {stream + kafka, "sink.format halt"},
		"all in order": {list + "  format: json\ntransforms:\n  - filter: value.a == 1\n  - set: {value.b: 2}\n    when: value.a == 1\n  - dedupe: {key: value.a}\n" +
			"sink:\n  kafka: {brokers: [\"localhost:9092\"], topic: a, key: value.a}\n  format: json\n",
			"source.format halt, transforms[0].filter halt, transforms[1].set halt, transforms[2].dedupe halt, sink.key halt, sink.format halt"},
		"policies": {list + "  format: json\ntransforms:\n  - filter: value.a == 1\n    on_error: {then: drop}\n  - filter: value.b == 1\n    on_error: {then: halt}\n  - filter: value.c == 1\n" +
			kafka + "on_error: {then: dead_letter, dead_letter: {kafka: {topic: d}}}\n",
			"source.format dead_letter, transforms[0].filter drop, transforms[1].filter halt, transforms[2].filter dead_letter, sink.format dead_letter"},
	} {
		t.Run(name, func(t *testing.T) {
			stages, err := BuiltIn().stages(parsed(t, tc.text), Environment{Clock: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range stages.stages {
				got = append(got, s.Name+" "+map[engine.Policy]string{engine.Halt: "halt", engine.Drop: "drop", engine.DeadLetter: "dead_letter"}[s.OnError])
			}
			if text := strings.Join(got, ", "); text != tc.want {
				t.Errorf("got  %s\nwant %s", text, tc.want)
			}
		})
	}
}

func TestWhereDeadLettersGo(t *testing.T) {
	const head = "name: a\nsource:\n  redis_stream: {keys: [a]}\nsink:\n  kafka: {brokers: [\"localhost:9092\"], topic: a}\n"
	for name, tc := range map[string]struct{ text, want string }{
		"none":             {"", "nowhere"},
		"the pipeline's":   {"on_error: {then: dead_letter, dead_letter: {kafka: {topic: d}}}\n", "topic d"},
		"a transform's":    {"transforms:\n  - filter: value.a == 1\n    on_error: {then: dead_letter, dead_letter: {kafka: {topic: d}}}\n", "topic d"},
		"one for both":     {"on_error: {dead_letter: {kafka: {topic: d}}}\ntransforms:\n  - filter: value.a == 1\n    on_error: {then: dead_letter}\n", "topic d"},
		"the same, twice":  {"on_error: {then: dead_letter, dead_letter: {kafka: {topic: d}}}\ntransforms:\n  - filter: value.a == 1\n    on_error: {then: dead_letter, dead_letter: {kafka: {topic: d}}}\n", "topic d"},
		"dropped where it": {"transforms:\n  - filter: value.a == 1\n    on_error: {then: drop}\n", "nowhere"},
		"a stream":         {"on_error: {then: dead_letter, dead_letter: {redis_stream: {stream: d}}}\n", "stream d"},
		"a file":           {"on_error: {then: dead_letter, dead_letter: {file: {path: d}}}\n", "file d"},
	} {
		if got := whereTo(deadLetters(parsed(t, head+tc.text))); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

func TestCheckExpression(t *testing.T) {
	if got := checkExpression("value.item.price > 1 && value.a == 2", true); len(got.Problems) != 0 || got.Field != "value.item.price" || got.At != (config.ExpressionPlace{Line: 1, Col: 1}) {
		t.Errorf("got %+v", got)
	}
	if got := checkExpression("key + ", false); len(got.Problems) == 0 || got.Problems[0].At.Line != 1 {
		t.Errorf("got %+v", got)
	}
	if got := checkExpression("1 + 1", true); len(got.Problems) != 1 || !strings.Contains(got.Problems[0].What, "number") {
		t.Errorf("got %+v", got)
	}
	if got := checkExpression("topic", false); len(got.Problems) != 0 || got.Field != "" {
		t.Errorf("got %+v", got)
	}
}

func TestSetsKey(t *testing.T) {
	const head = "name: a\nsource:\n  redis_stream: {keys: [a]}\nsink:\n  kafka: {brokers: [\"localhost:9092\"], topic: a}\ntransforms:\n"
	for text, want := range map[string]bool{
		"  - set: {key: a}\n":                              true,
		"  - compute: {key: value.a}\n":                    true,
		"  - compute: {value.key: value.a}\n":              false,
		"  - set: {key: a}\n    when: value.a == 1\n":      false,
		"  - drop: [value.a]\n  - compute: {key: topic}\n": true,
	} {
		p := parsed(t, head+text)
		if got := setsKey(p); got != want {
			t.Errorf("%q: got %v", text, got)
		}
		e, err := BuiltIn().explain(p)
		if err != nil {
			t.Fatal(err)
		}
		if spread := slices.ContainsFunc(e.Order, func(s string) bool { return strings.Contains(s, "no key is set") }); spread == want {
			t.Errorf("%q: explained as %q", text, e.Order)
		}
	}
}

// TestExplainTellsTheOrderOfAGroup: a stream that others may read beside has an order per
// consumer only.
func TestExplainTellsTheOrderOfAGroup(t *testing.T) {
	const stream = "source redis_stream: each stream in the order of its entries"
	const consumers = "source redis_stream: the entries of each consumer in their order; between consumers, and when entries are taken over, there is none"
	for settings, want := range map[string]string{
		"":                                 stream,
		", group: {name: g}":               consumers,
		", group: {name: g, consumers: 4}": consumers,
	} {
		p := parsed(t, "name: a\nsource:\n  redis_stream: {keys: [a], value_field: v"+settings+"}\nsink:\n  kafka: {brokers: [\"localhost:9092\"], topic: a}\ndelivery: at_least_once\n")
		e, err := BuiltIn().explain(p)
		if err != nil {
			t.Fatal(err)
		}
		if e.Order[0] != want || !strings.Contains(e.text(), "\nOrder\n  - "+want+"\n") {
			t.Errorf("%q: explained as %q:\n%s", settings, e.Order, e.text())
		}
	}
}
