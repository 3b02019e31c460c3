package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

type tailSettings struct {
	Path  string        `yaml:"path" required:"true" example:"events.jsonl" doc:"The file."`
	Chunk pipeline.Size `yaml:"chunk" default:"64 KiB" doc:"How much is read at once."`
}

// small is a catalog of a source and a sink.
var small = &config.Catalog{
	Sources: []config.Component{{
		Name: "tail", Doc: "The end of a file.", Example: "tail: {path: events.jsonl}\n", Best: pipeline.AtLeastOnce,
		Settings: func() any { return new(tailSettings) },
	}},
	Sinks: []config.Component{{Name: "drop", Doc: "Nowhere.", Example: "drop: {}\n", Best: pipeline.AtLeastOnce}},
}

func ExampleParse() {
	lookup := config.Lookup{Env: func(name string) (string, bool) { return "/var/log/shop", name == "LOGS" }}
	pipelines, err := config.Parse(small, lookup, config.File{Name: "shop.yaml", Data: []byte(`
name: shop
source:
  tail: {path: "${LOGS}/events.jsonl"}
sink:
  drop: {}
delivery: at_least_once
`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	p := pipelines[0]
	settings := p.Source.Settings.(*tailSettings)
	fmt.Println(p.Name, p.Source.Component, settings.Path, settings.Chunk, p.Delivery)
	// Output: shop tail /var/log/shop/events.jsonl 65536 at_least_once
}

// Every mistake is told at once.
func ExampleParse_mistakes() {
	_, err := config.Parse(small, config.Lookup{}, config.File{Name: "shop.yaml", Data: []byte(`
name: shop
source:
  tail: {pth: events.jsonl}
sink:
  drop: {}
`)})
	fmt.Println(err)
	// Output:
	// shop.yaml:4:3: delivery exactly_once, the default, cannot be kept: the source tail keeps at_least_once at best; write delivery: at_least_once
	// shop.yaml:4:10: unknown field "pth" in source.tail; write path
}

func ExampleReference() {
	if err := config.Reference(os.Stdout, small, "tail"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// tail (source)
	//
	//   The end of a file.
	//
	//   Keeps at best: at_least_once
	//
	//   Settings
	//
	//     path
	//         text; required; like events.jsonl
	//         The file.
	//
	//     chunk
	//         size; default 64 KiB
	//         How much is read at once.
	//
	//   Example
	//
	//     tail: {path: events.jsonl}
}

func ExampleEffective() {
	pipelines, err := config.Parse(small, config.Lookup{}, config.File{Name: "shop.yaml", Data: []byte(
		"name: shop\nsource:\n  tail: {path: a}\nsink:\n  drop: {}\ndelivery: at_least_once\n")})
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := config.Effective(pipelines[0])
	fmt.Print(string(text[:len("name: shop\nsource:\n  tail:\n    path: a\n    chunk: 64 KiB\n")]), err)
	// Output:
	// name: shop
	// source:
	//   tail:
	//     path: a
	//     chunk: 64 KiB
	// <nil>
}

func ExampleCatalog_Check() {
	twice := &config.Catalog{Sinks: []config.Component{{Name: "drop"}, {Name: "drop"}}}
	fmt.Println(twice.Check())
	// Output: sink drop: there are two of that name; call one of them otherwise, or leave it out
}

// An editor completes pipeline files by it.
func ExampleSchema() {
	schema, err := config.Schema(small)
	if err != nil {
		fmt.Println(err)
		return
	}
	var root struct{ Title string }
	if err := json.Unmarshal(schema, &root); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(root.Title)
	// Output: Penstock pipeline
}

// Tests may stand in a file beside that of the pipelines.
func ExampleAddTests() {
	pipelines, err := config.Parse(small, config.Lookup{}, config.File{Name: "shop.yaml", Data: []byte(
		"name: shop\nsource:\n  tail: {path: a}\nsink:\n  drop: {}\ndelivery: at_least_once\n")})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = config.AddTests(small, pipelines, config.File{Name: "shop.tests.yaml", Data: []byte(`
pipeline: shop
tests:
  - name: a purchase passes
    given: [{value: buy}]
    expect: [{value: buy}]
`)})
	if err != nil {
		fmt.Println(err)
		return
	}
	test := pipelines[0].Tests[0]
	fmt.Println(test.At, test.Name)
	// Output: shop.tests.yaml:4:5 a purchase passes
}

func ExampleHoldsTests() {
	fmt.Println(config.HoldsTests("shop.tests.yaml"), config.HoldsTests("shop.yaml"))
	// Output: true false
}

// Settings that come as JSON are read as those of a file: with defaults, and all mistakes
// at once.
func ExampleSettings() {
	var settings tailSettings
	fmt.Println(config.Settings(&settings, []byte(`{"path":"events.jsonl"}`)))
	fmt.Println(settings.Path, settings.Chunk)
	for _, p := range config.Settings(&tailSettings{}, []byte(`{"chunk":"much"}`)) {
		fmt.Printf("%s: %s; %s\n", p.Field, p.What, p.Do)
	}
	// Output:
	// []
	// events.jsonl 65536
	// : path is missing; write path: events.jsonl
	// chunk: "much" is not a size: chunk; write a size like 64 KiB: a whole number of B, KiB, MiB, GiB, KB, MB or GB
}

func ExampleSettingsSchema() {
	schema, err := config.SettingsSchema[tailSettings]()
	if err != nil {
		fmt.Println(err)
		return
	}
	var root struct{ Required []string }
	if err := json.Unmarshal(schema, &root); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(root.Required)
	// Output: [path]
}

// Numbers are as they were written.
func ExampleTextOf() {
	text, err := config.TextOf(map[string]any{"price": json.Number("12.50"), "item": "shoes"})
	fmt.Println(string(text), err)
	// Output: {"item":"shoes","price":12.50} <nil>
}

// A test that is behind the pipeline is brought up to it; comments and all else stay.
func ExampleWithExpectations() {
	text := []byte(`name: shop
source:
  tail: {path: a}
sink:
  drop: {}
delivery: at_least_once
tests:
  - name: a purchase passes # since May
    given: [{value: buy}]
    expect: []
`)
	pipelines, err := config.Parse(small, config.Lookup{}, config.File{Name: "shop.yaml", Data: text})
	if err != nil {
		fmt.Println(err)
		return
	}
	value := any("buy")
	text, err = config.WithExpectations(text, []config.Expectation{{At: pipelines[0].Tests[0].ExpectAt, Expect: []config.Expected{{Value: &value}}}})
	_, tests, _ := strings.Cut(string(text), "tests:\n")
	fmt.Print(tests, err)
	// Output:
	//   - name: a purchase passes # since May
	//     given: [{value: buy}]
	//     expect:
	//       - value: buy
	// <nil>
}
