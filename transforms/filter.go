package transforms

import (
	"context"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// FilterSettings are the settings of filter.
type FilterSettings struct {
	Condition pipeline.Expression `yaml:",whole" required:"true" condition:"true" example:"value.action in [\"cart\", \"buy\"]" doc:"Records for which this is true go on, the others end here and are counted as filtered. A field that is missing is an error of the record."`
}

// Filter lets records pass for which a condition is true.
type Filter struct {
	condition *expr.Program
}

// NewFilter makes a filter. The error is of the expression.
func NewFilter(s FilterSettings) (*Filter, error) {
	condition, err := expr.Compile(s.Condition, expr.Condition)
	if err != nil {
		return nil, err
	}
	return &Filter{condition}, nil
}

// Apply marks records for which the condition is false as filtered.
func (f *Filter) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		switch yes, err := f.condition.Bool(b, r); {
		case err != nil:
			r.Fail(err)
		case !yes:
			r.Fate = pipeline.Filtered
		}
	}
	return nil
}
