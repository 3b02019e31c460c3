package transforms

import (
	"context"

	"github.com/penstock-io/penstock/pipeline"
)

// HoistSettings are the settings of hoist.
type HoistSettings struct {
	Name string `yaml:",whole" required:"true" example:"payload" doc:"The name of the one field that the new value has; it holds the old one."`
}

// Hoist puts values into an object of one field.
type Hoist struct {
	before []byte // the text before a value
}

// NewHoist makes a hoist. Its error is always nil.
func NewHoist(s HoistSettings) (*Hoist, error) {
	return &Hoist{append(pipeline.AppendString([]byte("{"), []byte(s.Name)), ':')}, nil
}

// Apply wraps the values, whose own text stays as it is. Bytes are an error of the
// record.
func (h *Hoist) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		inner, err := jsonOf(b, &r.Value)
		if err == nil {
			text := append(b.Arena.Alloc(len(h.before)+len(inner)+1), h.before...)
			err = r.Value.Set(b, nil, append(append(text, inner...), '}'))
		}
		if err != nil {
			r.Fail(err)
		}
	}
	return nil
}
