package transforms

import (
	"context"
	"errors"

	"github.com/penstock-io/penstock/pipeline"
)

// ExtractSettings are the settings of extract.
type ExtractSettings struct {
	Path string `yaml:",whole" required:"true" path:"true" example:"value.payload.after" doc:"The field that becomes the value. A record without it is refused; when: has(value.payload) lets such pass as they are."`
}

// Validate finds what is no field.
func (s ExtractSettings) Validate() []pipeline.Problem {
	problems := fieldProblems("", s.Path)
	if names, _ := parseField(s.Path); len(problems) == 0 && len(names) == 0 {
		problems = append(problems, pipeline.Problem{What: "value is the value already", Do: fieldForms})
	}
	return problems
}

// Extract makes a field of a value the whole of it.
type Extract struct {
	path  string
	names []string
}

// NewExtract makes an extract. The error is the first that Validate finds.
func NewExtract(s ExtractSettings) (*Extract, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	names, err := parseField(s.Path)
	return &Extract{s.Path, names}, err
}

var errMissing = errors.New("it is missing")

// Apply replaces the values, byte for byte where nothing in them was changed.
func (e *Extract) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		node, ok := r.Value.Get(e.names...)
		if !ok {
			r.Fail(&pipeline.Error{Class: pipeline.Permanent, What: e.path, Err: errMissing, Do: "test it first in when:, or mend what writes the record"})
			continue
		}
		if err := r.Value.Set(b, nil, node.Raw()); err != nil {
			r.Fail(err)
		}
	}
	return nil
}
