package format

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"

	"github.com/penstock-io/penstock/pipeline"
)

// ConnectJSON is JSON with the schema that Kafka Connect's JsonConverter puts beside it
// (schemas.enable): {"schema": …, "payload": …}. It gives the payload, with decimals as
// numbers. It writes the schema that a value shows: whole numbers are int64, others
// double, null an optional string; the elements of a list are of one type.
type ConnectJSON struct{}

// decimalName is the name of Connect's decimal, whose bytes are base64 in JSON.
const decimalName = "org.apache.kafka.connect.data.Decimal"

// Read gives the payload.
func (ConnectJSON) Read(ctx context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	v, err := JSON{}.Read(ctx, b, raw)
	if err != nil {
		return v, err
	}
	schema, there := v.Get("schema")
	payload, also := v.Get("payload")
	if !there || !also {
		return pipeline.Value{}, unread(errors.New("it has no schema and payload"))
	}
	json, err := fromConnect(b.Arena.Alloc(len(payload.Raw())), payload, schema, 0)
	if err != nil {
		return pipeline.Value{}, unread(err)
	}
	return document(b, json)
}

var errConnect = errors.New("its payload is not what its schema says")

// textField gives the text of a field, empty where there is none.
func textField(n pipeline.Node, name string) string {
	if len(n.Raw()) == 0 {
		return ""
	}
	f, ok := n.Get(name)
	if !ok || f.Type() != pipeline.JSONString {
		return ""
	}
	return f.Text()
}

// fromConnect appends a value of a schema as JSON.
func fromConnect(dst []byte, n, schema pipeline.Node, depth int) ([]byte, error) {
	kind := textField(schema, "type")
	switch {
	case depth > maxNested:
		return nil, errNested
	case n.Type() == pipeline.JSONNull, kind == "":
	case kind == "struct" && n.Type() == pipeline.JSONObject:
		return fromStruct(dst, n, schema, depth)
	case kind == "array" && n.Type() == pipeline.JSONArray:
		items, _ := schema.Get("items")
		return fromList(dst, n, items, depth)
	case kind == "map" && n.Type() == pipeline.JSONObject:
		values, _ := schema.Get("values")
		dst, first := append(dst, '{'), true
		for name, value := range n.Fields {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			var err error
			if dst, err = fromConnect(append(pipeline.AppendString(dst, name), ':'), value, values, depth+1); err != nil {
				return nil, err
			}
		}
		return append(dst, '}'), nil
	case textField(schema, "name") == decimalName:
		return fromDecimal(dst, n, schema)
	case (kind == "struct" || kind == "array") || kind == "string" && n.Type() != pipeline.JSONString:
		return nil, errConnect
	}
	return append(dst, n.Raw()...), nil
}

func fromStruct(dst []byte, n, schema pipeline.Node, depth int) ([]byte, error) {
	types := map[string]pipeline.Node{}
	if fields, ok := schema.Get("fields"); ok {
		for f := range fields.Elements {
			types[textField(f, "field")] = f
		}
	}
	dst, first := append(dst, '{'), true
	for name, value := range n.Fields {
		typ, ok := types[name]
		if !ok {
			return nil, errConnect
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		var err error
		if dst, err = fromConnect(append(pipeline.AppendString(dst, name), ':'), value, typ, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func fromList(dst []byte, n, items pipeline.Node, depth int) ([]byte, error) {
	dst, first := append(dst, '['), true
	for e := range n.Elements {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		var err error
		if dst, err = fromConnect(dst, e, items, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// fromDecimal appends the number that base64 and a scale stand for.
func fromDecimal(dst []byte, n, schema pipeline.Node) ([]byte, error) {
	if n.Type() == pipeline.JSONNumber { // decimal.format: NUMERIC
		return append(dst, n.Raw()...), nil
	}
	parameters, ok := schema.Get("parameters")
	if !ok || n.Type() != pipeline.JSONString {
		return nil, errConnect
	}
	scale, err := strconv.Atoi(textField(parameters, "scale"))
	raw, bad := base64.StdEncoding.DecodeString(n.Text())
	if err != nil || bad != nil || len(raw) > maxBignum || scale > maxBignum || scale < -maxBignum {
		return nil, errConnect
	}
	return appendUnscaled(dst, raw, scale), nil
}

// Write puts the schema beside the value.
func (ConnectJSON) Write(_ context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	n, err := root(b, v)
	if err != nil {
		return err
	}
	payload := n.Raw()
	out := append(b.Arena.Alloc(4*len(payload)+64), `{"schema":`...)
	if out, err = appendConnectSchema(out, n, ""); err != nil {
		return err
	}
	out = append(append(append(out, `,"payload":`...), payload...), '}')
	return v.Set(b, nil, out)
}

// appendConnectSchema appends the schema that a value shows; field is its name in a
// struct.
func appendConnectSchema(dst []byte, n pipeline.Node, field string) ([]byte, error) {
	kind, err := "string", error(nil)
	switch n.Type() {
	case pipeline.JSONBool:
		kind = "boolean"
	case pipeline.JSONNumber:
		kind = "double"
		if _, whole := n.Int(); whole {
			kind = "int64"
		}
	case pipeline.JSONArray:
		if dst, err = appendConnectList(dst, n); err != nil {
			return nil, err
		}
		return closeConnectSchema(dst, field), nil
	case pipeline.JSONObject:
		dst, first := append(dst, `{"type":"struct","fields":[`...), true
		for name, value := range n.Fields {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			if dst, err = appendConnectSchema(dst, value, name); err != nil {
				return nil, err
			}
		}
		return closeConnectSchema(append(dst, ']'), field), nil
	}
	return closeConnectSchema(append(append(append(dst, `{"type":"`...), kind...), '"'), field), nil
}

func appendConnectList(dst []byte, n pipeline.Node) ([]byte, error) {
	dst = append(dst, `{"type":"array","items":`...)
	start := len(dst)
	first := ""
	for e := range n.Elements {
		out, err := appendConnectSchema(slices.Clip(dst), e, "")
		if err != nil {
			return nil, err
		}
		shown := string(out[start:])
		if first == "" {
			first = shown
		} else if first != shown {
			return nil, refused("a list has elements of several types, and Connect's schemas hold none such", nil, "make them the same first, or drop the field")
		}
	}
	if first == "" {
		first = `{"type":"string","optional":true}`
	}
	return append(dst, first...), nil
}

func closeConnectSchema(dst []byte, field string) []byte {
	dst = append(dst, `,"optional":true`...)
	if field != "" {
		dst = pipeline.AppendString(append(dst, `,"field":`...), field)
	}
	return append(dst, '}')
}
