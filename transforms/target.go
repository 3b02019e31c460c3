package transforms

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/pipeline"
)

// target is a part of a record that a transform writes or takes away: value,
// value.item.price, value["a.b"], headers.source, key or topic.
type target struct {
	part  part
	names []string // of fields; of one header
	text  string   // as in the file
}

type part uint8

const (
	valuePart part = iota
	headerPart
	keyPart
	topicPart
)

const targetForms = "write value.name, value.outer.inner, value[\"a name\"], headers.name, key or topic"

// parseTarget reads a target as it stands in a file.
func parseTarget(text string) (target, error) {
	root := text
	if i := strings.IndexAny(text, ".["); i >= 0 {
		root = text[:i]
	}
	names, err := parseNames(text[len(root):])
	if err != nil {
		return target{}, err
	}
	t := target{names: names, text: text}
	switch root {
	case "value":
		return t, nil
	case "headers":
		if t.part = headerPart; len(names) == 1 {
			return t, nil
		}
		return t, errors.New("is not one header")
	case "key":
		t.part = keyPart
	case "topic":
		t.part = topicPart
	default:
		return t, errors.New("is no part of a record")
	}
	if len(names) > 0 {
		return t, errors.New("has no fields")
	}
	return t, nil
}

// parseNames reads .name and ["name"], in any number.
func parseNames(text string) ([]string, error) {
	var names []string
	for text != "" {
		name, rest := "", ""
		if quoted, ok := strings.CutPrefix(text, "["); ok {
			d := json.NewDecoder(strings.NewReader(quoted))
			if err := d.Decode(&name); err != nil {
				return nil, errors.New("has no name in quotes after [")
			}
			if rest, ok = strings.CutPrefix(quoted[d.InputOffset():], "]"); !ok {
				return nil, errors.New("has a [ without ]")
			}
		} else {
			text = strings.TrimPrefix(text, ".")
			end := strings.IndexAny(text, ".[")
			if end < 0 {
				end = len(text)
			}
			if name, rest = text[:end], text[end:]; name == "" {
				return nil, errors.New("has an empty name")
			}
		}
		names, text = append(names, name), rest
	}
	return names, nil
}

// parseTargets reads targets, sorted by their text, and tells what is wrong with
// them. field gives the place of a target in the settings.
func parseTargets(texts []string, field func(text string) string) ([]target, []pipeline.Problem) {
	var targets []target
	var problems []pipeline.Problem
	for _, text := range slices.Sorted(slices.Values(texts)) {
		t, err := parseTarget(text)
		if err != nil {
			problems = append(problems, problemOf(field(text), text, err.Error(), targetForms))
			continue
		}
		targets = append(targets, t)
	}
	return targets, problems
}

// collisions finds targets that are, or lie inside, another one: which of the two
// is done first would decide the result.
func collisions(targets []target, field func(text string) string) []pipeline.Problem {
	var problems []pipeline.Problem
	for i, t := range targets {
		for _, other := range targets[:i] {
			short, long := other, t
			if len(short.names) > len(long.names) {
				short, long = long, short
			}
			if short.part == long.part && slices.Equal(short.names, long.names[:len(short.names)]) {
				problems = append(problems, problemOf(field(long.text), long.text, "is the same place as "+short.text+", or lies in it",
					"use two transforms, one after the other"))
			}
		}
	}
	return problems
}

// itself is the place of a target in settings that are a map of targets.
func itself(text string) string { return text }

// nowhere is the place of a target in a list.
func nowhere(string) string { return "" }

// problemOf gives the problem of a target. Its text is named by the field, where
// there is one.
func problemOf(field, text, what, do string) pipeline.Problem {
	if field == "" {
		what = text + " " + what
	}
	return pipeline.Problem{Field: field, What: what, Do: do}
}

// firstOf gives the first of the problems as an error, nil where there is none.
func firstOf(problems []pipeline.Problem) error {
	if len(problems) == 0 {
		return nil
	}
	return &pipeline.Error{Class: pipeline.Permanent, What: strings.TrimSpace(problems[0].Field + " " + problems[0].What), Do: problems[0].Do}
}

// write puts content into the target: JSON text into the value, plain bytes
// elsewhere. Without content (ok is false) a header is taken away, the key is
// none and the topic the sink's own.
func (t *target) write(b *pipeline.Batch, r *pipeline.Record, content []byte, ok bool) error {
	switch t.part {
	case valuePart:
		return r.Value.Set(b, t.names, content)
	case headerPart:
		r.Headers = withHeader(r.Headers, t.names[0], content, ok)
	case keyPart:
		r.Key = content
	case topicPart:
		r.Topic = string(content)
	}
	return nil
}

// withHeader gives headers with one of that name, where the first of them was,
// or with none. headers may be shared between records, and is left as it is.
func withHeader(headers []pipeline.Header, name string, value []byte, keep bool) []pipeline.Header {
	changed := make([]pipeline.Header, 0, len(headers)+1)
	for _, h := range headers {
		if h.Key != name {
			changed = append(changed, h)
		} else if keep {
			changed = append(changed, pipeline.Header{Key: name, Value: value})
			keep = false
		}
	}
	if keep {
		changed = append(changed, pipeline.Header{Key: name, Value: value})
	}
	return changed
}
