package transforms

import (
	"context"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// MapSettings are the settings of map.
type MapSettings struct {
	Value pipeline.Expression `yaml:",whole" required:"true" example:"'{\"user\": value.user_id, \"total\": value.price * value.quantity}'" doc:"What the value becomes. The fields of an object that the expression makes are sorted by name."`
}

// Map makes a new value of a record.
type Map struct {
	value *expr.Program
}

// NewMap makes a map. The error is of the expression.
func NewMap(s MapSettings) (*Map, error) {
	value, err := expr.Compile(s.Value, expr.Anything)
	if err != nil {
		return nil, err
	}
	return &Map{value}, nil
}

// Apply replaces the values. An optional without a value is an error of the record, as
// any other of the expression is.
func (m *Map) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		text, ok, err := m.value.JSON(b, r)
		if err == nil && !ok {
			err = &pipeline.Error{Class: pipeline.Permanent, What: "the expression gives no value", Do: "say what it is then, with orValue(null), or drop the record with filter"}
		}
		if err == nil {
			err = r.Value.Set(b, nil, text)
		}
		if err != nil {
			r.Fail(err)
		}
	}
	return nil
}
