package transforms

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/penstock-io/penstock/pipeline"
)

// SetSettings are the settings of set.
type SetSettings struct {
	Values map[string]any `yaml:",whole" required:"true" path:"true" example:"{value.channel: web}" doc:"Literals by the part of the record they are written to: a field of the value (objects on the way are made), headers.name, key or topic. null takes a header, the key or the topic away. Fields that are new come last, sorted by name."`
}

// Validate finds targets and literals that cannot be written.
func (s SetSettings) Validate() []pipeline.Problem {
	_, problems := s.literals()
	return problems
}

// literal is what is written to a target, in the target's form.
type literal struct {
	target
	content []byte
	ok      bool
}

func (s SetSettings) literals() ([]literal, []pipeline.Problem) {
	targets, problems := parseTargets(slices.Collect(maps.Keys(s.Values)), itself)
	problems = append(problems, collisions(targets, itself)...)
	literals := make([]literal, 0, len(targets))
	for _, t := range targets {
		l := literal{target: t, ok: s.Values[t.text] != nil}
		var err error
		if t.part == valuePart {
			l.content, err = appendLiteral(nil, s.Values[t.text])
		} else if l.ok {
			l.content, err = plainLiteral(s.Values[t.text])
		}
		if err != nil {
			problems = append(problems, pipeline.Problem{Field: t.text, What: err.Error(), Do: "write a text, a number or a bool"})
		}
		literals = append(literals, l)
	}
	return literals, problems
}

// Set writes literals into records.
type Set struct {
	literals []literal
}

// NewSet makes a set. The error is the first that Validate finds.
func NewSet(s SetSettings) (*Set, error) {
	literals, problems := s.literals()
	if err := firstOf(problems); err != nil {
		return nil, err
	}
	return &Set{literals}, nil
}

// Apply writes the literals. A field below something that is no object is an
// error of the record.
func (s *Set) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		for i := range s.literals {
			l := &s.literals[i]
			if err := l.write(b, r, l.content, l.ok); err != nil {
				r.Fail(err)
				break
			}
		}
	}
	return nil
}

// appendLiteral appends a literal of a file as JSON. Numbers stay as they were
// written; the fields of an object are sorted.
func appendLiteral(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return pipeline.AppendString(dst, v), nil
	case []any:
		dst = append(dst, '[')
		for i, element := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendLiteral(dst, element); err != nil {
				return nil, err
			}
		}
		return append(dst, ']'), nil
	case map[string]any:
		dst = append(dst, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendLiteral(append(pipeline.AppendString(dst, name), ':'), v[name]); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	}
	text, err := plainLiteral(v)
	return append(dst, text...), err
}

// plainLiteral gives the bytes of a literal without quotes.
func plainLiteral(v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return []byte(v), nil
	case bool:
		return strconv.AppendBool(nil, v), nil
	case json.Number:
		if json.Valid([]byte(v)) {
			return []byte(v), nil
		}
		return nil, fmt.Errorf("%s is not a number of JSON", v)
	}
	if _, ok := v.([]any); ok {
		return nil, errors.New("a list cannot stand here")
	}
	return nil, errors.New("a mapping cannot stand here")
}
