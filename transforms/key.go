package transforms

import (
	"context"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// KeySettings are the settings of the transform key.
type KeySettings struct {
	Key pipeline.Expression `yaml:",whole" required:"true" example:"value.user_id" doc:"The key. null and an optional without a value: none. A list or map is an error of the record."`
}

// Key gives records the key that an expression makes: the transform key, and the setting key of a sink.
type Key struct {
	key *expr.Program
}

// NewKey makes a key. The error is of the expression.
func NewKey(key pipeline.Expression) (*Key, error) {
	program, err := expr.Compile(key, expr.Anything)
	if err != nil {
		return nil, err
	}
	return &Key{program}, nil
}

// Apply writes the keys: none where the expression gives null. A list or map is
// an error of the record.
func (k *Key) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		key, _, err := k.key.Bytes(b, r)
		if err != nil {
			r.Fail(err)
			continue
		}
		r.Key = key
	}
	return nil
}
