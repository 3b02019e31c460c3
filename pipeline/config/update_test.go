package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline/config"
)

// TestWithExpectations: what follows expect is replaced, and not a byte besides; read
// again, the test expects what it was given.
func TestWithExpectations(t *testing.T) {
	const head = "name: p\nsource: {redis_list: {keys: [a]}, format: json}\nsink: {kafka: {brokers: [a], topic: t}}\n"
	value, key := any(map[string]any{"b": []any{json.Number("12.50"), nil, true}, "a": "$$ ${X} # 1"}), any("42")
	none := any(nil)
	expect := []config.Expected{{Key: &key, Value: &value, Headers: map[string]any{"h": []any{"x", "y"}}, Topic: "t"}, {Key: &none},
		{Outcome: "halted", Error: "sink.key: \"quoted\" 'too'"}}
	const replaced = `expect:
  - key: '42'
    value: {a: '$$ ${X} # 1', b: [12.50, null, true]}
    headers:
      h: [x, y]
    topic: t
  - key: null
  - outcome: halted
    error: 'sink.key: "quoted" ''too'''
`
	for name, tc := range map[string]struct{ before, expect, after string }{
		"one line":                      {"tests:\n  - name: x\n    given: []\n", "expect: [{key: a}]  # why\n", "  # after\n\n  - {name: y, given: [], expect: []}\n"},
		"several lines":                 {"tests:\n  - name: x\n    given: []\n", "expect:\n      # inside\n      - key: a\n\n        value: |\n          text\n      - key: b\n", "\n# after\n"},
		"flow on several lines":         {"tests:\n  - name: x\n    given: []\n", "expect: [{key: a},\n      {key: b}]\n", "commit: {records: 5}\n"},
		"a list at the same place":      {"tests:\n- name: x\n  given: []\n", "expect:\n  - key: a\n  - key: b\n", "- {name: y, given: [], expect: []}\n"},
		"first in the item":             {"tests:\n  - ", "expect: []\n", "    name: x\n    given: []\n"},
		"at the end without line break": {"tests:\n  - name: x\n    given: []\n", "expect: []", ""},
		"another document":              {"tests:\n  - name: x\n    given: []\n", "expect: []\n", "---\n" + strings.Replace(head, "name: p", "name: q", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			indent := "    "
			if strings.Contains(tc.before, "\n- ") {
				indent = "  "
			}
			before := head + tc.before
			if !strings.HasSuffix(before, "- ") {
				before += indent
			}
			got := updated(t, before+tc.expect+tc.after, expect)
			lineBreak := ""
			if strings.HasSuffix(tc.expect, "\n") {
				lineBreak = "\n"
			}
			text := strings.ReplaceAll(strings.TrimSuffix(replaced, "\n"), "\n", "\n"+indent)
			equal(t, "the file", got, before+text+lineBreak+tc.after)
			p, err := parse(got)
			if err != nil {
				t.Fatalf("%v\n%s", err, got)
			}
			equal(t, "expect", without(p[0].Tests[0].Expect), expect)
			equal(t, "nothing", updated(t, got, nil), before+"expect: []"+lineBreak+tc.after)
		})
	}
}

// updated gives a file in which the first test of the first pipeline expects something else.
func updated(t *testing.T, text string, expect []config.Expected) string {
	t.Helper()
	p, err := parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	got, err := config.WithExpectations([]byte(text), []config.Expectation{{At: p[0].Tests[0].ExpectAt, Expect: expect}})
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

// without gives expectations without their places.
func without(all []config.Expected) []config.Expected {
	for i := range all {
		all[i].At = config.Place{}
	}
	return all
}

// TestWithExpectationsOfOneLine: a test that is written in one line stays as it is.
func TestWithExpectationsOfOneLine(t *testing.T) {
	text := minimal("", "tests: [{name: x, given: [], expect: []}]\n")
	p := one(t, text)
	_, err := config.WithExpectations([]byte(text), []config.Expectation{{At: p.Tests[0].ExpectAt}})
	if err == nil || !strings.Contains(err.Error(), "expect stands in a line with others, and cannot be updated; write it on a line of its own") {
		t.Error(err)
	}
}
