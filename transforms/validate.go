package transforms

import (
	"context"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// ValidateSettings are the settings of validate.
type ValidateSettings struct {
	That    pipeline.Expression `yaml:"that" required:"true" condition:"true" example:"value.price >= 0" doc:"What has to be true of a record. One of which it is not is refused, and goes where on_error says."`
	Message string              `yaml:"message" example:"a price is less than nothing" doc:"What is said of such a record; default: the expression."`
}

// Validate refuses records of which something is not true.
type Validate struct {
	that    *expr.Program
	refusal *pipeline.Error
}

// NewValidate makes a validate. The error is of the expression.
func NewValidate(s ValidateSettings) (*Validate, error) {
	that, err := expr.Compile(s.That, expr.Condition)
	if err != nil {
		return nil, err
	}
	what := s.Message
	if what == "" {
		what = "this is not true of the record: " + string(s.That)
	}
	return &Validate{that, &pipeline.Error{Class: pipeline.Permanent, What: what}}, nil
}

// Apply refuses records for which the expression is false, or fails.
func (v *Validate) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		switch yes, err := v.that.Bool(b, r); {
		case err != nil:
			r.Fail(err)
		case !yes:
			r.Fail(v.refusal)
		}
	}
	return nil
}
