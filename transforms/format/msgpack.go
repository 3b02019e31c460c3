package format

import (
	"context"
	"encoding/base64"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"

	"github.com/penstock-io/penstock/pipeline"
)

// MsgPack is MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md).
// Binary comes as base64, a timestamp as RFC 3339, NaN and infinities as strings, a
// key that is no text as its text; other extensions are refused. JSON goes out in the
// smallest form of each value.
type MsgPack struct{}

// maxNested is how deep values of binary formats may be nested.
const maxNested = 500

var (
	errNested   = errors.New("it is nested more than 500 deep")
	errCutShort = errors.New("it is cut short, or damaged")
	errMore     = errors.New("more follows its end")
	errNotUTF8  = errors.New("a text in it is not valid UTF-8")
)

// Read gives the document.
func (MsgPack) Read(_ context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	json, rest, err := msgpackJSON(b.Arena.Alloc(2*len(raw)+16), raw, 0)
	if err == nil && len(rest) > 0 {
		err = errMore
	}
	if err != nil {
		return pipeline.Value{}, unread(err)
	}
	return document(b, json)
}

// msgpackJSON appends the value that raw begins with as JSON, and gives what follows.
func msgpackJSON(dst, raw []byte, depth int) (json, rest []byte, err error) {
	if depth > maxNested {
		return nil, nil, errNested
	}
	switch msgp.NextType(raw) {
	case msgp.MapType:
		return msgpackMap(dst, raw, depth)
	case msgp.ArrayType:
		return msgpackArray(dst, raw, depth)
	case msgp.StrType:
		var text []byte
		if text, rest, err = msgp.ReadStringZC(raw); err == nil {
			if !utf8.Valid(text) {
				return nil, nil, errNotUTF8
			}
			dst = pipeline.AppendString(dst, text)
		}
	case msgp.BinType:
		var bin []byte
		if bin, rest, err = msgp.ReadBytesZC(raw); err == nil {
			dst = append(base64.StdEncoding.AppendEncode(append(dst, '"'), bin), '"')
		}
	case msgp.IntType:
		var i int64
		i, rest, err = msgp.ReadInt64Bytes(raw)
		dst = strconv.AppendInt(dst, i, 10)
	case msgp.UintType:
		var u uint64
		u, rest, err = msgp.ReadUint64Bytes(raw)
		dst = strconv.AppendUint(dst, u, 10)
	case msgp.Float32Type:
		var f float32
		f, rest, err = msgp.ReadFloat32Bytes(raw)
		dst = appendFloat(dst, float64(f), 32)
	case msgp.Float64Type:
		var f float64
		f, rest, err = msgp.ReadFloat64Bytes(raw)
		dst = appendFloat(dst, f, 64)
	case msgp.BoolType:
		var is bool
		is, rest, err = msgp.ReadBoolBytes(raw)
		dst = strconv.AppendBool(dst, is)
	case msgp.NilType:
		rest, err = msgp.ReadNilBytes(raw)
		dst = append(dst, "null"...)
	case msgp.TimeType:
		var at time.Time
		at, rest, err = msgp.ReadTimeUTCBytes(raw)
		dst = appendTime(dst, at)
	case msgp.InvalidType:
		return nil, nil, errCutShort
	default:
		var at time.Time
		if at, rest, err = msgp.ReadTimeUTCBytes(raw); err != nil {
			return nil, nil, errors.New("an extension type in it has no form in JSON")
		}
		dst = appendTime(dst, at)
	}
	if err != nil {
		return nil, nil, errCutShort
	}
	return dst, rest, nil
}

func appendTime(dst []byte, at time.Time) []byte {
	return append(at.AppendFormat(append(dst, '"'), time.RFC3339Nano), '"')
}

func msgpackMap(dst, raw []byte, depth int) (json, rest []byte, err error) {
	n, rest, err := msgp.ReadMapHeaderBytes(raw)
	if err != nil {
		return nil, nil, errCutShort
	}
	dst = append(dst, '{')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, rest, err = msgpackName(dst, rest); err != nil {
			return nil, nil, err
		}
		if dst, rest, err = msgpackJSON(append(dst, ':'), rest, depth+1); err != nil {
			return nil, nil, err
		}
	}
	return append(dst, '}'), rest, nil
}

// msgpackName appends the key of a map as the name of a field.
func msgpackName(dst, raw []byte) (json, rest []byte, err error) {
	switch msgp.NextType(raw) {
	case msgp.StrType, msgp.BinType, msgp.TimeType:
		return msgpackJSON(dst, raw, 0)
	case msgp.MapType, msgp.ArrayType:
		return nil, nil, errors.New("the key of a map is a map or an array")
	}
	if dst, rest, err = msgpackJSON(append(dst, '"'), raw, 0); err != nil {
		return nil, nil, err
	}
	if dst[len(dst)-1] == '"' {
		return nil, nil, errors.New("the key of a map is no number")
	}
	return append(dst, '"'), rest, nil
}

func msgpackArray(dst, raw []byte, depth int) (json, rest []byte, err error) {
	n, rest, err := msgp.ReadArrayHeaderBytes(raw)
	if err != nil {
		return nil, nil, errCutShort
	}
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, rest, err = msgpackJSON(dst, rest, depth+1); err != nil {
			return nil, nil, err
		}
	}
	return append(dst, ']'), rest, nil
}

// Write makes the document MessagePack. A number that neither 64 bits nor a float64
// hold exactly is refused.
func (MsgPack) Write(_ context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	n, err := root(b, v)
	if err != nil {
		return err
	}
	out, err := appendMsgpack(b.Arena.Alloc(len(n.Raw())+16), n)
	if err != nil {
		return err
	}
	*v = pipeline.RawValue(out)
	return nil
}

func appendMsgpack(dst []byte, n pipeline.Node) ([]byte, error) {
	var err error
	switch n.Type() {
	case pipeline.JSONNull:
		return msgp.AppendNil(dst), nil
	case pipeline.JSONBool:
		return msgp.AppendBool(dst, n.Bool()), nil
	case pipeline.JSONString:
		return msgp.AppendStringFromBytes(dst, textOf(n)), nil
	case pipeline.JSONArray:
		dst = msgp.AppendArrayHeader(dst, uint32(n.Len()))
		for e := range n.Elements {
			if dst, err = appendMsgpack(dst, e); err != nil {
				return nil, err
			}
		}
		return dst, nil
	case pipeline.JSONObject:
		dst = msgp.AppendMapHeader(dst, uint32(n.Len()))
		for name, value := range n.Fields {
			if dst, err = appendMsgpack(msgp.AppendString(dst, name), value); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	if i, ok := n.Int(); ok {
		return msgp.AppendInt64(dst, i), nil
	}
	if u, ok := n.Uint(); ok {
		return msgp.AppendUint64(dst, u), nil
	}
	f, ok := exactFloat(n.Raw(), 64)
	if !ok {
		return nil, refused("a number in the value has more digits than MessagePack can hold", nil, "make it a text first (cast), or use cbor")
	}
	return msgp.AppendFloat64(dst, f), nil
}
