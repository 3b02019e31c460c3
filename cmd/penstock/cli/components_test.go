package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline/config"
)

func TestComponents(t *testing.T) {
	got := penstock(t, "components")
	if got.code != 0 || got.errOut != "" {
		t.Errorf("%+v", got)
	}
	golden(t, "components", got.out)
	for _, name := range BuiltIn().names() {
		got := penstock(t, "components", name)
		if got.code != 0 || !strings.HasPrefix(got.out, name+" (") || !strings.Contains(got.out, "\n  Example\n") {
			t.Errorf("components %s: %+v", name, got)
		}
	}
}

// pipelinesOfExamples gives a pipeline for each component's example.
func pipelinesOfExamples() map[string]string {
	indent := func(text string) string {
		return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
	}
	const from = "source:\n  redis_stream: {keys: [a]}\n"
	const to = "sink:\n  kafka: {brokers: [\"localhost:9092\"], topic: a}\n"
	c := BuiltIn().catalog()
	all := map[string]string{}
	for _, s := range c.Sources {
		all["source "+s.Name] = fmt.Sprintf("source:\n%s\n%sdelivery: %s\n", indent(s.Example), to, s.Best)
	}
	for _, s := range c.Sinks {
		all["sink "+s.Name] = fmt.Sprintf("%ssink:\n%s\ndelivery: %s\n", from, indent(s.Example), s.Best)
	}
	for _, f := range c.Formats {
		out := f.Example
		if strings.Contains(f.Doc, "It is only read.") || strings.Contains(f.Doc, "It is only\nread.") {
			out = "json\n"
		}
		all["format "+f.Name] = fmt.Sprintf("source:\n  redis_list: {keys: [a]}\n  format: %s%s  format: %s", f.Example, to, out)
	}
	for _, s := range c.Transforms {
		all["transform "+s.Name] = fmt.Sprintf("%stransforms:\n  - %s%s", from, s.Example, to)
	}
	return all
}

// TestExamples: what the reference shows is valid, for the parser, for the schema,
// and for who makes the component.
func TestExamples(t *testing.T) {
	schema := compiledSchema(t, BuiltIn())
	for name, text := range pipelinesOfExamples() {
		text = "name: example\n" + text
		pipelines, err := BuiltIn().parseFiles(nil, config.File{Name: name, Data: []byte(text)})
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		if err := schema.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: the schema refuses it: %v\n%s", name, err, text)
		}
		b, err := BuiltIn().build(pipelines[0], Environment{Log: quiet(), Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}}, runSettings{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		b.close()
	}
}

func compiledSchema(t *testing.T, c Components) *jsonschema.Schema {
	t.Helper()
	text, err := config.Schema(c.catalog())
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("penstock.schema.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("penstock.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON gives YAML as the validator wants it.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
