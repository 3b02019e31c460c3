package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Expectation is what a test is to expect from now on.
type Expectation struct {
	At     Place // Test.ExpectAt
	Expect []Expected
}

// WithExpectations gives the text of a file in which tests expect something else. All
// other lines stay as they are; comments inside what is replaced go. The error says
// which test is written in a way that cannot be replaced.
func WithExpectations(text []byte, all []Expectation) ([]byte, error) {
	lines := strings.SplitAfter(string(text), "\n")
	all = slices.SortedFunc(slices.Values(all), func(a, b Expectation) int { return cmp.Compare(b.At.Line, a.At.Line) })
	for _, e := range all {
		var err error
		if lines, err = replaceExpect(lines, e); err != nil {
			return nil, fmt.Errorf("%s: %w", e.At, err)
		}
	}
	return []byte(strings.Join(lines, "")), nil
}

// replaceExpect replaces one expect: and what belongs to it.
func replaceExpect(lines []string, e Expectation) ([]string, error) {
	first, indent := e.At.Line-1, e.At.Col-1
	if first < 0 || first >= len(lines) || len(lines[first]) < indent || strings.Trim(lines[first][:indent], " -") != "" {
		return nil, errors.New("expect stands in a line with others, and cannot be updated; write it on a line of its own")
	}
	text, err := expectText(e.Expect, indent)
	if err != nil {
		return nil, err
	}
	end := first + 1 // behind the last line that belongs to it
	for i := end; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], "\r\n")
		content := strings.TrimLeft(line, " ")
		if content == "" || strings.HasPrefix(content, "#") {
			continue
		}
		if in := len(line) - len(content); in < indent || in == indent && content != "-" && !strings.HasPrefix(content, "- ") {
			break
		}
		end = i + 1
	}
	if end == len(lines) && !strings.HasSuffix(lines[end-1], "\n") {
		text = strings.TrimSuffix(text, "\n")
	}
	return slices.Concat(lines[:first], []string{lines[first][:indent] + text}, lines[end:]), nil
}

// expectText writes expect: and what follows, but for the first line's indentation.
func expectText(expect []Expected, indent int) (string, error) {
	if len(expect) == 0 {
		return "expect: []\n", nil
	}
	w := writer{hidden: &hidden{}, literal: true}
	node := w.value(reflect.ValueOf(expect), field{typ: reflect.TypeFor[[]Expected](), required: true})
	text, err := yaml.Dump(node, yaml.WithV4Defaults(), yaml.WithLineWidth(-1))
	if err != nil {
		return "", fmt.Errorf("what came cannot be written as YAML: %w", err)
	}
	var s strings.Builder
	s.WriteString("expect:\n")
	for line := range bytes.Lines(text) {
		if len(bytes.TrimSpace(line)) > 0 {
			s.WriteString(strings.Repeat(" ", indent+2))
		}
		s.Write(line)
	}
	return s.String(), nil
}
