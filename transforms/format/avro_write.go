package format

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/penstock-io/penstock/pipeline"
)

// avroWriter writes the binary encoding of Avro. Its errors name the field.
type avroWriter struct {
	ignore bool // fields that the schema does not have
}

func appendZigzag(dst []byte, n int64) []byte { return binary.AppendVarint(dst, n) }

// unfit is the error of a value that is not of the schema's type.
func unfit(n pipeline.Node, want string) error {
	return fmt.Errorf("it is %s, and the schema says %s", n.Type(), want)
}

// within names the field in which an error came up.
func within(name string, err error) error {
	if inner, ok := errors.AsType[*placedError](err); ok {
		return &placedError{name + "." + inner.path, inner.err}
	}
	return &placedError{name, err}
}

// placedError is an error in a field.
type placedError struct {
	path string
	err  error
}

func (e *placedError) Error() string { return e.path + ": " + e.err.Error() }
func (e *placedError) Unwrap() error { return e.err }

// value appends a node as type t.
func (w avroWriter) value(dst []byte, n pipeline.Node, t *avroType) ([]byte, error) {
	json := n.Type()
	switch t.kind {
	case "union":
		return w.union(dst, n, t)
	case "record":
		if json == pipeline.JSONObject {
			return w.record(dst, n, t)
		}
	case "array":
		if json == pipeline.JSONArray {
			return w.array(dst, n, t)
		}
	case "map":
		if json == pipeline.JSONObject {
			return w.object(dst, n, t)
		}
	case "null":
		if json == pipeline.JSONNull {
			return dst, nil
		}
	case "boolean":
		if json == pipeline.JSONBool && n.Bool() {
			return append(dst, 1), nil
		} else if json == pipeline.JSONBool {
			return append(dst, 0), nil
		}
	case "int", "long", "float", "double":
		return w.number(dst, n, t)
	case "bytes", "fixed":
		return w.bytes(dst, n, t)
	default:
		if json == pipeline.JSONString {
			return w.text(dst, n, t)
		}
	}
	return nil, unfit(n, t.describe())
}

// describe says what a type takes.
func (t *avroType) describe() string {
	switch {
	case t.decimal:
		return "decimal"
	case t.name != "":
		return t.kind + " " + t.name
	}
	return t.kind
}

func (w avroWriter) text(dst []byte, n pipeline.Node, t *avroType) ([]byte, error) {
	text := textOf(n)
	if t.kind == "string" {
		return append(appendZigzag(dst, int64(len(text))), text...), nil
	}
	i := slices.Index(t.symbols, string(text))
	if i < 0 {
		return nil, errors.New("it is none of the symbols of " + t.describe())
	}
	return appendZigzag(dst, int64(i)), nil
}

func (w avroWriter) number(dst []byte, n pipeline.Node, t *avroType) ([]byte, error) {
	raw := n.Raw()
	if special, ok := specialFloat(raw); ok && (t.kind == "float" || t.kind == "double") {
		return appendAvroFloat(dst, special, t), nil
	}
	if n.Type() != pipeline.JSONNumber {
		return nil, unfit(n, t.describe())
	}
	if t.kind == "int" || t.kind == "long" {
		i, ok := n.Int()
		if !ok || t.kind == "int" && (i > math.MaxInt32 || i < math.MinInt32) {
			return nil, errors.New("it is no whole number that fits into " + t.kind)
		}
		return appendZigzag(dst, i), nil
	}
	bits := 64
	if t.kind == "float" {
		bits = 32
	}
	f, ok := exactFloat(raw, bits)
	if !ok {
		return nil, errors.New("it has more digits than " + t.kind + " can hold")
	}
	return appendAvroFloat(dst, f, t), nil
}

func appendAvroFloat(dst []byte, f float64, t *avroType) []byte {
	if t.kind == "float" {
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f)))
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
}

// specialFloat gives what stands as a text where JSON has no number.
func specialFloat(raw []byte) (float64, bool) {
	switch string(raw) {
	case `"NaN"`:
		return math.NaN(), true
	case `"Infinity"`:
		return math.Inf(1), true
	case `"-Infinity"`:
		return math.Inf(-1), true
	}
	return 0, false
}

func (w avroWriter) bytes(dst []byte, n pipeline.Node, t *avroType) ([]byte, error) {
	var raw []byte
	switch {
	case t.decimal && n.Type() == pipeline.JSONNumber:
		var err error
		if raw, err = unscaled(n.Raw(), t.scale); err != nil {
			return nil, err
		}
		if len(raw) < t.size {
			raw = append(signs(raw[0], t.size-len(raw)), raw...)
		}
	case !t.decimal && n.Type() == pipeline.JSONString:
		var err error
		if raw, err = base64.StdEncoding.DecodeString(string(textOf(n))); err != nil {
			return nil, errors.New("it is not base64, and the schema says " + t.describe())
		}
	default:
		return nil, unfit(n, t.describe())
	}
	if t.kind == "bytes" {
		return append(appendZigzag(dst, int64(len(raw))), raw...), nil
	}
	if len(raw) != t.size {
		return nil, fmt.Errorf("it is %d bytes, and %s has %d", len(raw), t.describe(), t.size)
	}
	return append(dst, raw...), nil
}

// signs gives n bytes that continue a number in two's complement to the left.
func signs(first byte, n int) []byte {
	out := make([]byte, n)
	if first >= 0x80 {
		for i := range out {
			out[i] = 0xff
		}
	}
	return out
}

func (w avroWriter) array(dst []byte, n pipeline.Node, t *avroType) ([]byte, error) {
	var err error
	if count := n.Len(); count > 0 {
		dst = appendZigzag(dst, int64(count))
	}
	i := 0
	for e := range n.Elements {
		if dst, err = w.value(dst, e, t.element); err != nil {
			return nil, within(fmt.Sprintf("[%d]", i), err)
		}
		i++
	}
	return append(dst, 0), nil
}

func (w avroWriter) object(dst []byte, n pipeline.Node, t *avroType) ([]byte, error) {
	var err error
	if count := n.Len(); count > 0 {
		dst = appendZigzag(dst, int64(count))
	}
	for name, value := range n.Fields {
		dst = append(appendZigzag(dst, int64(len(name))), name...)
		if dst, err = w.value(dst, value, t.element); err != nil {
			return nil, within("a value of the map", err)
		}
	}
	return append(dst, 0), nil
}

func (w avroWriter) record(dst []byte, n pipeline.Node, t *avroType) ([]byte, error) {
	found := 0
	for i := range t.fields {
		f := &t.fields[i]
		value, ok := n.Get(f.name)
		if !ok {
			if f.absent == nil {
				return nil, within(f.name, errors.New("it is missing, and the schema has no default for it"))
			}
			dst = append(dst, f.absent...)
			continue
		}
		found++
		var err error
		if dst, err = w.value(dst, value, f.typ); err != nil {
			return nil, within(f.name, err)
		}
	}
	if !w.ignore && found < n.Len() {
		return nil, fmt.Errorf("it has a field that %s has not", t.describe())
	}
	return dst, nil
}

// union writes a node as the first branch that takes it.
func (w avroWriter) union(dst []byte, n pipeline.Node, t *avroType) ([]byte, error) {
	start, tried, last := len(dst), 0, error(nil)
	for i, branch := range t.branches {
		if !branch.mayTake(n.Type()) {
			continue
		}
		out, err := w.value(appendZigzag(dst[:start], int64(i)), n, branch)
		if err == nil {
			return out, nil
		}
		tried, last = tried+1, err
	}
	if tried == 1 {
		return nil, last
	}
	return nil, fmt.Errorf("it is %s, which no branch of the union in the schema takes", n.Type())
}

// mayTake tells whether a type could take JSON of a type.
func (t *avroType) mayTake(json pipeline.JSONType) bool {
	switch t.kind {
	case "null":
		return json == pipeline.JSONNull
	case "boolean":
		return json == pipeline.JSONBool
	case "int", "long":
		return json == pipeline.JSONNumber
	case "float", "double":
		return json == pipeline.JSONNumber || json == pipeline.JSONString
	case "record", "map":
		return json == pipeline.JSONObject
	case "array":
		return json == pipeline.JSONArray
	case "bytes", "fixed":
		return t.decimal && json == pipeline.JSONNumber || !t.decimal && json == pipeline.JSONString
	}
	return json == pipeline.JSONString
}
