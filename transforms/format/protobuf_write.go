package format

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/penstock-io/penstock/pipeline"
)

// protoWriter writes the wire format of Protocol Buffers, fields in the order of their
// numbers. Its errors name the field.
type protoWriter struct {
	ignore bool // fields that the schema does not have
}

// message appends the fields of a message.
func (w protoWriter) message(dst []byte, n pipeline.Node, m *protoMessage) ([]byte, error) {
	if m.known != "" {
		return w.known(dst, n, m)
	}
	if n.Type() != pipeline.JSONObject {
		return nil, unfit(n, "message "+m.name)
	}
	found := 0
	var chosen []int // the oneofs of which a field was there
	for _, i := range m.written {
		f := &m.fields[i]
		value, ok := n.Get(f.name)
		if !ok && f.jsonName != f.name {
			value, ok = n.Get(f.jsonName)
		}
		if ok {
			found++
		}
		if !ok || value.Type() == pipeline.JSONNull && (f.message == nil || f.message.known != "Value") {
			if f.required {
				return nil, within(f.name, errors.New("it is missing, and the schema requires it"))
			}
			continue
		}
		if f.oneof > 0 && slices.Contains(chosen, f.oneof) {
			return nil, within(f.name, errors.New("another field of its oneof is there too"))
		}
		if f.oneof > 0 {
			chosen = append(chosen, f.oneof)
		}
		var err error
		if dst, err = w.field(dst, value, f); err != nil {
			return nil, within(f.name, err)
		}
	}
	if !w.ignore && found < n.Len() {
		return nil, fmt.Errorf("it has a field that message %s has not", m.name)
	}
	return dst, nil
}

func (w protoWriter) field(dst []byte, n pipeline.Node, f *protoField) ([]byte, error) {
	switch {
	case f.isMap:
		return w.entries(dst, n, f)
	case f.list:
		return w.list(dst, n, f)
	}
	start := len(dst)
	dst = protowire.AppendTag(dst, f.number, f.wireType())
	body := len(dst)
	out, err := w.value(dst, n, f)
	if err == nil && f.always && isZero(out[body:]) {
		return out[:start], nil
	}
	return out, err
}

// isZero tells whether the value that a field holds is its zero value.
func isZero(body []byte) bool {
	for _, c := range body {
		if c != 0 {
			return false
		}
	}
	return true
}

// value appends one value, with its length where it has one.
func (w protoWriter) value(dst []byte, n pipeline.Node, f *protoField) ([]byte, error) {
	if f.message == nil {
		return w.scalar(dst, n, f)
	}
	start := len(dst)
	out, err := w.message(append(dst, 0), n, f.message)
	if err != nil {
		return nil, err
	}
	return lengthen(out, start), nil
}

// lengthen puts the length of what follows the byte at start there.
func lengthen(out []byte, start int) []byte {
	size := len(out) - start - 1
	if size < 0x80 {
		out[start] = byte(size)
		return out
	}
	var head [10]byte
	length := protowire.AppendVarint(head[:0], uint64(size))
	out = append(out, length[1:]...)
	copy(out[start+len(length):], out[start+1:start+1+size])
	copy(out[start:], length)
	return out
}

func (w protoWriter) list(dst []byte, n pipeline.Node, f *protoField) ([]byte, error) {
	if n.Type() != pipeline.JSONArray {
		return nil, unfit(n, "a repeated field")
	}
	start := len(dst)
	if f.packed {
		dst = protowire.AppendTag(dst, f.number, protowire.BytesType)
	}
	head := len(dst)
	if f.packed {
		dst = append(dst, 0)
	}
	i := 0
	for e := range n.Elements {
		if !f.packed {
			dst = protowire.AppendTag(dst, f.number, f.wireType())
		}
		var err error
		if dst, err = w.value(dst, e, f); err != nil {
			return nil, within(fmt.Sprintf("[%d]", i), err)
		}
		i++
	}
	switch {
	case i == 0:
		return dst[:start], nil
	case f.packed:
		return lengthen(dst, head), nil
	}
	return dst, nil
}

func (w protoWriter) entries(dst []byte, n pipeline.Node, f *protoField) ([]byte, error) {
	if n.Type() != pipeline.JSONObject {
		return nil, unfit(n, "a map")
	}
	key, value := &f.message.fields[f.message.byNumber[1]], &f.message.fields[f.message.byNumber[2]]
	for name, element := range n.Fields {
		dst = protowire.AppendTag(dst, f.number, protowire.BytesType)
		start := len(dst)
		dst = protowire.AppendTag(append(dst, 0), key.number, key.wireType())
		var err error
		if dst, err = appendMapKey(dst, name, key); err != nil {
			return nil, err
		}
		if dst, err = w.value(protowire.AppendTag(dst, value.number, value.wireType()), element, value); err != nil {
			return nil, within("a value of the map", err)
		}
		dst = lengthen(dst, start)
	}
	return dst, nil
}

// appendMapKey appends the name of a field as the key of a map.
func appendMapKey(dst []byte, name string, key *protoField) ([]byte, error) {
	switch key.kind {
	case protoreflect.StringKind:
		return protowire.AppendString(dst, name), nil
	case protoreflect.BoolKind:
		if name == "true" || name == "false" {
			return protowire.AppendVarint(dst, protowire.EncodeBool(name == "true")), nil
		}
		return nil, errors.New("a key of the map is neither true nor false")
	}
	out, ok := appendProtoInteger(dst, name, key.kind)
	if !ok {
		return nil, errors.New("a key of the map is no whole number that fits")
	}
	return out, nil
}

// appendProtoInteger appends a whole number; false: it does not fit.
func appendProtoInteger(dst []byte, text string, kind protoreflect.Kind) ([]byte, bool) {
	bits := 64
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		bits = 32
	}
	if kind == protoreflect.Uint32Kind || kind == protoreflect.Fixed32Kind || kind == protoreflect.Uint64Kind || kind == protoreflect.Fixed64Kind {
		u, err := strconv.ParseUint(text, 10, bits)
		switch kind {
		case protoreflect.Fixed32Kind:
			return protowire.AppendFixed32(dst, uint32(u)), err == nil
		case protoreflect.Fixed64Kind:
			return protowire.AppendFixed64(dst, u), err == nil
		}
		return protowire.AppendVarint(dst, u), err == nil
	}
	i, err := strconv.ParseInt(text, 10, bits)
	switch kind {
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return protowire.AppendVarint(dst, protowire.EncodeZigZag(i)), err == nil
	case protoreflect.Sfixed32Kind:
		return protowire.AppendFixed32(dst, uint32(int32(i))), err == nil
	case protoreflect.Sfixed64Kind:
		return protowire.AppendFixed64(dst, uint64(i)), err == nil
	}
	return protowire.AppendVarint(dst, uint64(i)), err == nil
}

func (w protoWriter) scalar(dst []byte, n pipeline.Node, f *protoField) ([]byte, error) {
	json := n.Type()
	switch f.kind {
	case protoreflect.BoolKind:
		if json == pipeline.JSONBool {
			return protowire.AppendVarint(dst, protowire.EncodeBool(n.Bool())), nil
		}
	case protoreflect.StringKind:
		if json == pipeline.JSONString {
			return protowire.AppendBytes(dst, textOf(n)), nil
		}
	case protoreflect.BytesKind:
		if json == pipeline.JSONString {
			raw, err := base64.StdEncoding.DecodeString(string(textOf(n)))
			if err != nil {
				return nil, errors.New("it is not base64, and the schema says bytes")
			}
			return protowire.AppendBytes(dst, raw), nil
		}
	case protoreflect.EnumKind:
		return appendEnum(dst, n, f)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return appendProtoFloat(dst, n, f.kind)
	default:
		if json == pipeline.JSONNumber || json == pipeline.JSONString { // ProtoJSON writes 64 bits as strings
			if out, ok := appendProtoInteger(dst, n.Text(), f.kind); ok {
				return out, nil
			}
			return nil, errors.New("it is no whole number that fits into " + f.kind.String())
		}
	}
	return nil, unfit(n, f.kind.String())
}

func appendEnum(dst []byte, n pipeline.Node, f *protoField) ([]byte, error) {
	if number, ok := n.Int(); ok && n.Type() == pipeline.JSONNumber && number >= math.MinInt32 && number <= math.MaxInt32 {
		return protowire.AppendVarint(dst, uint64(number)), nil
	}
	if n.Type() == pipeline.JSONString {
		if number, ok := f.numbers[string(textOf(n))]; ok {
			return protowire.AppendVarint(dst, uint64(int64(number))), nil
		}
		return nil, errors.New("it is none of the values of the enum")
	}
	return nil, unfit(n, "enum")
}

func appendProtoFloat(dst []byte, n pipeline.Node, kind protoreflect.Kind) ([]byte, error) {
	bits := 64
	if kind == protoreflect.FloatKind {
		bits = 32
	}
	f, ok := specialFloat(n.Raw())
	if !ok {
		if n.Type() != pipeline.JSONNumber {
			return nil, unfit(n, kind.String())
		}
		if f, ok = exactFloat(n.Raw(), bits); !ok {
			return nil, errors.New("it has more digits than " + kind.String() + " can hold")
		}
	}
	if bits == 32 {
		return protowire.AppendFixed32(dst, math.Float32bits(float32(f))), nil
	}
	return protowire.AppendFixed64(dst, math.Float64bits(f)), nil
}

// known appends the fields of a message that has a form of its own in JSON.
func (w protoWriter) known(dst []byte, n pipeline.Node, m *protoMessage) ([]byte, error) {
	switch m.known {
	case "Timestamp", "Duration":
		if n.Type() != pipeline.JSONString {
			return nil, unfit(n, m.name)
		}
		seconds, nanos, err := parseKnownTime(m.known, string(textOf(n)))
		if err != nil {
			return nil, err
		}
		return appendTimeFields(dst, seconds, nanos), nil
	case "Struct", "ListValue":
		return w.field(dst, n, &m.fields[0])
	case "Value":
		return w.anyValue(dst, n, m)
	}
	f := m.fields[0] // a wrapper
	return w.field(dst, n, &f)
}

func appendTimeFields(dst []byte, seconds, nanos int64) []byte {
	if seconds != 0 {
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, protowire.VarintType), uint64(seconds))
	}
	if nanos != 0 {
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, protowire.VarintType), uint64(nanos))
	}
	return dst
}

// parseKnownTime reads a Timestamp (RFC 3339), or a Duration (1.5s).
func parseKnownTime(known, text string) (seconds, nanos int64, err error) {
	if known == "Timestamp" {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil || at.Unix() < firstSecond || at.Unix() > lastSecond {
			return 0, 0, errors.New("it is no time like 2026-01-02T03:04:05.678Z")
		}
		return at.Unix(), int64(at.Nanosecond()), nil
	}
	wrong := errors.New("it is no duration like 1.5s")
	digits, ok := strings.CutSuffix(text, "s")
	if !ok || len(digits) > 30 || strings.ContainsAny(digits, "eE/_+ ") {
		return 0, 0, wrong
	}
	exact, ok := new(big.Rat).SetString(digits)
	if !ok {
		return 0, 0, wrong
	}
	exact.Mul(exact, big.NewRat(nanosPerUnit, 1))
	total := new(big.Int)
	if !exact.IsInt() || new(big.Int).Quo(total.Abs(exact.Num()), big.NewInt(nanosPerUnit)).Cmp(big.NewInt(mostSeconds)) > 0 {
		return 0, 0, wrong
	}
	rest := new(big.Int)
	quotient, rest := new(big.Int).QuoRem(exact.Num(), big.NewInt(nanosPerUnit), rest)
	return quotient.Int64(), rest.Int64(), nil
}

// The fields of google.protobuf.Value (struct.proto).
const (
	valueNull   = 1
	valueNumber = 2
	valueText   = 3
	valueBool   = 4
	valueObject = 5
	valueList   = 6
)

func (w protoWriter) anyValue(dst []byte, n pipeline.Node, m *protoMessage) ([]byte, error) {
	number := map[pipeline.JSONType]protowire.Number{pipeline.JSONNull: valueNull, pipeline.JSONNumber: valueNumber, pipeline.JSONString: valueText,
		pipeline.JSONBool: valueBool, pipeline.JSONObject: valueObject, pipeline.JSONArray: valueList}[n.Type()]
	f := &m.fields[m.byNumber[number]]
	if n.Type() == pipeline.JSONNull {
		return protowire.AppendVarint(protowire.AppendTag(dst, f.number, protowire.VarintType), 0), nil
	}
	return w.field(dst, n, f)
}
