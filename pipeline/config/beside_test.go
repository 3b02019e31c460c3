package config_test

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline/config"
)

const twoPipelines = `name: a
source: {redis_list: {keys: [a]}}
sink: {kafka: {brokers: [a], topic: t}}
tests: [{name: its own, given: [], expect: []}]
---
name: b
source: {redis_list: {keys: [b]}, format: json}
sink: {kafka: {brokers: [a], topic: t}}
`

// TestAddTests: the tests of a file beside go to the pipelines that they name, behind
// those that these have.
func TestAddTests(t *testing.T) {
	pipelines, err := parse(twoPipelines)
	if err != nil {
		t.Fatal(err)
	}
	err = config.AddTests(catalog(), pipelines, config.File{Name: "p.tests.yaml", Data: []byte(`pipeline: b
tests:
  - name: for b
    given: [{value: {a: 1}}]
    expect: []
---
pipeline: a
tests: [{name: for a, given: [{value: text}], expect: []}]
`)})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "a's", len(pipelines[0].Tests), 2)
	equal(t, "a's", pipelines[0].Tests[1].Name, "for a")
	equal(t, "b's", len(pipelines[1].Tests), 1)
	equal(t, "place", pipelines[1].Tests[0].At.String(), "p.tests.yaml:3:5")
	equal(t, "place", pipelines[1].Tests[0].ExpectAt.String(), "p.tests.yaml:5:5")
	equal(t, "place", pipelines[1].Tests[0].Given[0].At.String(), "p.tests.yaml:4:13")
}

// TestMistakesInFilesOfTests: nothing is added where there is one.
func TestMistakesInFilesOfTests(t *testing.T) {
	for text, want := range map[string]string{
		"pipeline: c\ntests: [{name: x, given: [], expect: []}]\n": `p.tests.yaml:1:11: the file beside holds no pipeline "c"; write a`,
		"tests: [{name: x, given: [], expect: []}]\n":              `p.tests.yaml:1:1: pipeline is missing: the file beside holds a, b; write pipeline: a`,
		"":                    `p.tests.yaml:1:1: the file holds no tests; write one: pipeline and tests`,
		"- a\n":               `p.tests.yaml:1:1: a file of tests is an object, not a list; write pipeline and tests`,
		"pipeline: a\n":       `p.tests.yaml:1:1: tests is missing; write tests: [{name: a purchase passes, given: [{value: {user_id: u1}}], expect: [{key: u1}]}]`,
		"pipeline: a\nx: 1\n": `p.tests.yaml:1:1: tests is missing; write tests: [{name: a purchase passes, given: [{value: {user_id: u1}}], expect: [{key: u1}]}]` + "\n" + `p.tests.yaml:2:1: unknown field "x"; write one of pipeline, tests`,
		"pipeline: a\ntests: [{name: x, given: [{value: {a: 1}}], expect: []}]\n": `p.tests.yaml:2:28: the source's format is bytes, which reads nothing but bytes; write the value as text, like '{"a":1}'`,
	} {
		pipelines, err := parse(twoPipelines)
		if err != nil {
			t.Fatal(err)
		}
		err = config.AddTests(catalog(), pipelines, config.File{Name: "p.tests.yaml", Data: []byte(text)})
		if err == nil || err.Error() != want {
			t.Errorf("%q\ngot  %v\nwant %s", text, err, want)
		}
		equal(t, "added", len(pipelines[0].Tests)+len(pipelines[1].Tests), 1)
	}
}
