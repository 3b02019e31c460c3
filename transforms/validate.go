package transforms

import (
	"context"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
	"github.com/penstock-io/penstock/transforms/format"
)

// ValidateSettings are the settings of validate.
type ValidateSettings struct {
	That    pipeline.Expression `yaml:"that" condition:"true" example:"value.price >= 0" doc:"What has to be true of a record. One of which it is not is refused, and goes where on_error says."`
	Schema  string              `yaml:"schema" example:"${file:order.schema.json}" doc:"The JSON Schema that the value has to fit; in place of that."`
	Message string              `yaml:"message" example:"a price is less than nothing" doc:"What is said of such a record; default: the expression."`
}

// Validate finds that there is not one of both, and a schema that is none.
func (s ValidateSettings) Validate() []pipeline.Problem {
	if (s.That == "") == (s.Schema == "") {
		return []pipeline.Problem{{What: "it holds records against one thing: an expression, or a schema", Do: "write that, or schema"}}
	}
	if s.Schema != "" {
		if _, err := format.CompileSchema(s.Schema, nil); err != nil {
			return []pipeline.Problem{{Field: "schema", What: err.Error(), Do: "see https://json-schema.org/specification"}}
		}
	}
	return nil
}

// Validate refuses records of which something is not true.
type Validate struct {
	that    *expr.Program       // nil: schema
	schema  *format.ValueSchema // nil: that
	refusal *pipeline.Error
}

// NewValidate makes a validate. The error is the first that Validate finds, or of the
// expression.
func NewValidate(s ValidateSettings) (*Validate, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	if s.Schema != "" {
		schema, err := format.CompileSchema(s.Schema, nil)
		if s.Message == "" {
			s.Message = "the value does not fit the schema"
		}
		return &Validate{schema: schema, refusal: &pipeline.Error{Class: pipeline.Permanent, What: s.Message}}, err
	}
	that, err := expr.Compile(s.That, expr.Condition)
	if err != nil {
		return nil, err
	}
	what := s.Message
	if what == "" {
		what = "this is not true of the record: " + string(s.That)
	}
	return &Validate{that: that, refusal: &pipeline.Error{Class: pipeline.Permanent, What: what}}, nil
}

// Apply refuses records for which the expression is false, or fails, and those that do
// not fit the schema.
func (v *Validate) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		if v.schema != nil {
			if err := v.check(r); err != nil {
				r.Fail(err)
			}
			continue
		}
		switch yes, err := v.that.Bool(b, r); {
		case err != nil:
			r.Fail(err)
		case !yes:
			r.Fail(v.refusal)
		}
	}
	return nil
}

// check holds the value against the schema.
func (v *Validate) check(r *pipeline.Record) error {
	n, ok := r.Value.Root()
	if !ok {
		return &pipeline.Error{Class: pipeline.Permanent, What: "value is " + r.Value.Kind().String() + " and has no fields", Do: "set source.format to json"}
	}
	if err := v.schema.Check(n); err != nil {
		return &pipeline.Error{Class: pipeline.Permanent, What: v.refusal.What, Err: err}
	}
	return nil
}
