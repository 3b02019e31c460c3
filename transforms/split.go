package transforms

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/penstock-io/penstock/pipeline"
)

// SplitSettings are the settings of split.
type SplitSettings struct {
	Field     string `yaml:"field" path:"true" default:"value" example:"value.items" doc:"The list, or value where all of it is one. With separator: a text."`
	Into      string `yaml:"into" path:"true" default:"value" example:"value.item" doc:"Where an element goes: value, where it becomes the value, or a field, beside all that the record has but the list."`
	Separator string `yaml:"separator" example:"\"\\n\"" doc:"What stands between the parts of a text. Behind one at the end there is no part. Empty: a list is split."`
	Limit     int    `yaml:"limit" default:"10000" min:"1" doc:"The most records to make of one; a record that would be more is refused."`
}

// Validate finds what is no field.
func (s SplitSettings) Validate() []pipeline.Problem {
	return append(fieldProblems("field", s.Field), fieldProblems("into", s.Into)...)
}

// Split makes several records of one: of the elements of a list, or the parts of a text.
// They take its place, in their order, with its key, headers, time and topic.
type Split struct {
	field       string
	names, into []string
	separator   []byte // none: a list is split
	limit       int
}

// NewSplit makes a split. The error is the first that Validate finds.
func NewSplit(s SplitSettings) (*Split, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	names, err := parseField(s.Field)
	if err != nil {
		return nil, err
	}
	into, err := parseField(s.Into)
	return &Split{s.Field, names, into, []byte(s.Separator), s.Limit}, err
}

// Apply splits. A record of which nothing is made, since the list or text is empty, is
// Filtered; what is no list (or no text) is an error of the record.
func (s *Split) Apply(_ context.Context, b *pipeline.Batch) error {
	var values []pipeline.Value
	var counts []int
	for r := range b.Live {
		all, err := s.split(b, r, values)
		switch n := len(all) - len(values); {
		case err != nil:
			r.Fail(&pipeline.Error{Class: pipeline.Permanent, What: s.field, Err: err})
		case n == 0:
			r.Fate = pipeline.Filtered
		default:
			counts, values = append(counts, n), all
		}
	}
	b.Expand(counts)
	next := 0
	for r := range b.Live {
		r.Value = values[next]
		next++
	}
	return nil
}

// split appends the values that a record becomes. The record stays as it is.
func (s *Split) split(b *pipeline.Batch, r *pipeline.Record, values []pipeline.Value) ([]pipeline.Value, error) {
	before := len(values)
	for v, err := range s.elements(b, r) {
		if err == nil && len(values)-before == s.limit {
			err = fmt.Errorf("it would be more records than limit says, %d", s.limit)
		}
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	if made := values[before:]; len(s.into) > 0 && len(made) > 0 {
		return values, s.beside(b, r, made)
	}
	return values, nil
}

// maxSplit bounds what the records made of one have in common, all together.
const maxSplit = 64 << 20

// beside puts each of the values beside the other fields of their record.
func (s *Split) beside(b *pipeline.Batch, r *pipeline.Record, values []pipeline.Value) error {
	others := []byte("{}")
	if len(s.names) > 0 {
		var rest pipeline.Value // not the record's own view: that stays as it is
		if err := rest.Set(b, nil, r.Value.Raw()); err != nil {
			return err
		}
		if _, err := rest.Delete(s.names); err != nil {
			return err
		}
		others = rest.Raw()
	}
	if len(others)*len(values) > maxSplit {
		return fmt.Errorf("with the other fields its %d elements would be more than 64 MiB", len(values))
	}
	for i := range values {
		json, err := jsonOf(b, &values[i])
		if err != nil {
			return err
		}
		if err := values[i].Set(b, nil, others); err != nil {
			return err
		}
		if err := values[i].Set(b, s.into, json); err != nil {
			return err
		}
	}
	return nil
}

// elements gives the elements of a list, or the parts of a text, up to an error.
func (s *Split) elements(b *pipeline.Batch, r *pipeline.Record) iter.Seq2[pipeline.Value, error] {
	return func(yield func(pipeline.Value, error) bool) {
		if len(s.separator) > 0 {
			s.parts(b, r, yield)
			return
		}
		list, err := s.node(r)
		if err == nil && list.Type() != pipeline.JSONArray {
			err = fmt.Errorf("it is %s, not a list; test that first, in when", list.Type())
		}
		if err != nil {
			yield(pipeline.Value{}, err)
			return
		}
		for element := range list.Elements {
			var v pipeline.Value
			if err := v.Set(b, nil, element.Raw()); !yield(v, err) {
				return
			}
		}
	}
}

// parts gives the parts of a text, or of bytes.
func (s *Split) parts(b *pipeline.Batch, r *pipeline.Record, yield func(pipeline.Value, error) bool) {
	text, value := r.Value.Raw(), pipeline.TextValue
	switch {
	case r.Value.Kind() == pipeline.Document || len(s.names) > 0:
		n, err := s.node(r)
		if err == nil && n.Type() != pipeline.JSONString {
			err = fmt.Errorf("it is %s, not a text; test that first, in when", n.Type())
		}
		if err != nil {
			yield(pipeline.Value{}, err)
			return
		}
		text = n.AppendText(b.Arena.Alloc(len(n.Raw())))
	case r.Value.Kind() == pipeline.Opaque:
		value = pipeline.RawValue
	}
	for len(text) > 0 {
		part, rest, _ := bytes.Cut(text, s.separator)
		if !yield(value(slices.Clip(part)), nil) {
			return
		}
		text = rest
	}
}

// node gives what is to be split.
func (s *Split) node(r *pipeline.Record) (pipeline.Node, error) {
	if r.Value.Kind() != pipeline.Document {
		return pipeline.Node{}, fmt.Errorf("value is %s and has no fields; set source.format to json", r.Value.Kind())
	}
	n, ok := r.Value.Get(s.names...)
	if !ok {
		return n, fmt.Errorf("%w; test that first, in when", errMissing)
	}
	return n, nil
}
