package expr

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/penstock-io/penstock/pipeline"
)

// unwrap takes the value out of an optional; false: it has none.
func unwrap(v ref.Val) (ref.Val, bool) {
	if o, ok := v.(*types.Optional); ok {
		if !o.HasValue() {
			return nil, false
		}
		return unwrap(o.GetValue())
	}
	return v, true
}

// appendJSON appends a result as JSON.
func appendJSON(dst []byte, v ref.Val) ([]byte, error) {
	switch v := v.(type) {
	case *object:
		return append(dst, v.node.Raw()...), nil
	case *array:
		return append(dst, v.node.Raw()...), nil
	case types.String:
		return pipeline.AppendString(dst, string(v)), nil
	case types.Bytes, types.Timestamp, types.Duration:
		text, err := appendPlain(nil, v)
		if b, ok := v.(types.Bytes); ok {
			text = base64.StdEncoding.AppendEncode(nil, b)
		}
		return pipeline.AppendString(dst, text), err
	case types.Null:
		return append(dst, "null"...), nil
	case traits.Mapper:
		return appendMap(dst, v)
	case traits.Lister:
		return appendList(dst, v)
	case *types.Optional:
		if inner, ok := unwrap(v); ok {
			return appendJSON(dst, inner)
		}
		return append(dst, "null"...), nil
	}
	return appendPlain(dst, v)
}

// appendPlain appends a result without quotes.
func appendPlain(dst []byte, v ref.Val) ([]byte, error) {
	switch v := v.(type) {
	case types.String:
		return append(dst, v...), nil
	case types.Bytes:
		return append(dst, v...), nil
	case types.Bool:
		return strconv.AppendBool(dst, bool(v)), nil
	case types.Int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case types.Uint:
		return strconv.AppendUint(dst, uint64(v), 10), nil
	case types.Double:
		if f := float64(v); !math.IsInf(f, 0) && !math.IsNaN(f) {
			return pipeline.AppendFloat(dst, f), nil
		}
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "the expression gives a number that is too large, or none",
			Do: "look for a division by zero"}
	case types.Timestamp:
		return v.UTC().AppendFormat(dst, time.RFC3339Nano), nil
	case types.Duration:
		return append(pipeline.AppendFloat(dst, v.Seconds()), 's'), nil
	}
	return nil, notPlain("the expression gives a " + v.Type().TypeName())
}

func notPlain(what string) error {
	return &pipeline.Error{Class: pipeline.Permanent, What: what + ", and that cannot stand here",
		Do: "take a string, a number or a bool"}
}

func appendList(dst []byte, list traits.Lister) ([]byte, error) {
	dst = append(dst, '[')
	for i, next := 0, list.Iterator(); next.HasNext() == types.True; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendJSON(dst, next.Next()); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// appendMap appends a map, sorted by its keys: CEL gives them in any order.
func appendMap(dst []byte, m traits.Mapper) ([]byte, error) {
	type field struct {
		name  string
		value ref.Val
	}
	var fields []field
	for next := m.Iterator(); next.HasNext() == types.True; {
		key := next.Next()
		name, err := appendPlain(nil, key)
		if err != nil {
			return nil, err
		}
		fields = append(fields, field{string(name), m.Get(key)})
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	dst = append(dst, '{')
	for i, f := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendJSON(append(pipeline.AppendString(dst, f.name), ':'), f.value); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}
