package transforms

import (
	"context"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// When applies another transform to the records for which a condition is true.
type When struct {
	condition *expr.Program
	inner     pipeline.Transform
}

// NewWhen limits inner to the records for which condition is true. The others
// pass as they are; a record for which it is neither true nor false is refused.
// The result is Ordered when inner is. The error is of the expression.
func NewWhen(condition pipeline.Expression, inner pipeline.Transform) (pipeline.Transform, error) {
	program, err := expr.Compile(condition, expr.Condition)
	if err != nil {
		return nil, err
	}
	w := &When{program, inner}
	if ordered, ok := inner.(pipeline.Ordered); ok {
		return &orderedWhen{When: w, Ordered: ordered}, nil
	}
	return w, nil
}

// Apply hides the records that the condition excludes from the inner transform. The batch
// stays whole, so that inner sees every offset.
func (w *When) Apply(ctx context.Context, b *pipeline.Batch) error {
	b.Hide(func(r *pipeline.Record) bool {
		yes, err := w.condition.Bool(b, r)
		if err != nil {
			r.Fail(err)
		}
		return !yes
	})
	defer b.Show()
	return w.inner.Apply(ctx, b)
}

// orderedWhen is a When whose inner transform remembers. What is settled and
// given up is told to it as it is: it looks for the records that it has seen.
type orderedWhen struct {
	*When
	pipeline.Ordered
}

// Apply is When's.
func (w *orderedWhen) Apply(ctx context.Context, b *pipeline.Batch) error {
	return w.When.Apply(ctx, b)
}
