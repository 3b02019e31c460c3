package format

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/penstock-io/penstock/pipeline"
)

// protoReader reads the wire format of Protocol Buffers (protobuf.dev, Encoding).
type protoReader struct {
	found []occurrence // a stack: those of a message lie above those of the one around it
	most  int          // bytes of JSON
	err   error
}

// occurrence is one value as it stands on the wire: number, or bytes.
type occurrence struct {
	field  int
	typ    protowire.Type
	number uint64
	bytes  []byte
}

func (r *protoReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// message appends a message as JSON.
func (r *protoReader) message(dst, raw []byte, m *protoMessage, depth int) []byte {
	switch {
	case r.err != nil:
		return dst
	case depth > maxNested:
		r.fail(errNested)
		return dst
	case len(dst) > r.most:
		r.fail(tooMuch(r.most))
		return dst
	}
	base := len(r.found)
	r.collect(raw, m)
	if m.known != "" {
		dst = r.known(dst, m, base, depth)
	} else {
		dst = r.fields(append(dst, '{'), m, base, depth)
		dst = append(dst, '}')
	}
	r.found = r.found[:base]
	return dst
}

// collect finds the values of the fields that m has, in the order of the wire.
func (r *protoReader) collect(raw []byte, m *protoMessage) {
	for len(raw) > 0 && r.err == nil {
		number, typ, n := protowire.ConsumeTag(raw)
		if n < 0 {
			r.fail(errCutShort)
			return
		}
		raw = raw[n:]
		size := protowire.ConsumeFieldValue(number, typ, raw)
		if size < 0 {
			r.fail(errCutShort)
			return
		}
		if i, ok := m.byNumber[number]; ok {
			o := occurrence{field: i, typ: typ}
			switch typ {
			case protowire.VarintType:
				o.number, _ = protowire.ConsumeVarint(raw)
			case protowire.Fixed32Type:
				fixed, _ := protowire.ConsumeFixed32(raw)
				o.number = uint64(fixed)
			case protowire.Fixed64Type:
				o.number, _ = protowire.ConsumeFixed64(raw)
			case protowire.BytesType:
				o.bytes, _ = protowire.ConsumeBytes(raw)
			}
			f := &m.fields[i]
			if typ != f.wireType() && (typ != protowire.BytesType || !f.list) {
				r.fail(errors.New("a field has another type than the schema says"))
			}
			r.found = append(r.found, o)
		}
		raw = raw[size:]
	}
}

// last gives the last occurrence of a field from base on; false: there is none, or
// another field of its oneof came later.
func (r *protoReader) last(m *protoMessage, base, field int) (occurrence, bool) {
	oneof := m.fields[field].oneof
	for i := len(r.found) - 1; i >= base; i-- {
		o := r.found[i]
		if o.field == field {
			return o, true
		}
		if oneof > 0 && m.fields[o.field].oneof == oneof {
			break
		}
	}
	return occurrence{}, false
}

// merged gives the bytes of a message field: those of all its occurrences, one behind the
// other, which is what merging them means.
func (r *protoReader) merged(base, field int, last occurrence) []byte {
	var all []byte
	count := 0
	for _, o := range r.found[base:] {
		if o.field == field {
			count++
		}
	}
	if count == 1 {
		return last.bytes
	}
	for _, o := range r.found[base:] {
		if o.field == field {
			all = append(all, o.bytes...)
		}
	}
	return all
}

func (r *protoReader) fields(dst []byte, m *protoMessage, base, depth int) []byte {
	start := len(dst)
	for i := range m.fields {
		f := &m.fields[i]
		last, there := r.last(m, base, i)
		if !there && !f.always {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, f.opening...)
		switch {
		case f.isMap:
			dst = r.entries(dst, m, base, i, depth)
		case f.list:
			dst = r.list(dst, m, base, i, depth)
		case f.message != nil:
			dst = r.message(dst, r.merged(base, i, last), f.message, depth+1)
		default:
			dst = r.scalar(dst, f, last)
		}
	}
	return dst
}

func (r *protoReader) list(dst []byte, m *protoMessage, base, field, depth int) []byte {
	f, first, end := &m.fields[field], true, len(r.found)
	comma := func() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
	}
	dst = append(dst, '[')
	for at := base; at < end && r.err == nil; at++ {
		o := r.found[at]
		switch {
		case o.field != field:
		case f.message != nil:
			comma()
			dst = r.message(dst, o.bytes, f.message, depth+1)
		case o.typ == protowire.BytesType && f.wireType() != protowire.BytesType:
			for packed := o.bytes; len(packed) > 0 && r.err == nil; {
				comma()
				number, n := consumeNumber(packed, f.wireType())
				if n < 0 {
					r.fail(errCutShort)
					break
				}
				dst, packed = r.scalar(dst, f, occurrence{number: number}), packed[n:]
			}
		default:
			comma()
			dst = r.scalar(dst, f, o)
		}
	}
	return append(dst, ']')
}

func consumeNumber(raw []byte, typ protowire.Type) (number uint64, n int) {
	switch typ {
	case protowire.Fixed32Type:
		fixed, n := protowire.ConsumeFixed32(raw)
		return uint64(fixed), n
	case protowire.Fixed64Type:
		return protowire.ConsumeFixed64(raw)
	}
	return protowire.ConsumeVarint(raw)
}

// entries appends a map. Of entries with the same key the last counts, as JSON has it.
func (r *protoReader) entries(dst []byte, m *protoMessage, base, field, depth int) []byte {
	entry, first, end := m.fields[field].message, true, len(r.found)
	key, value := &entry.fields[entry.byNumber[1]], &entry.fields[entry.byNumber[2]]
	dst = append(dst, '{')
	for at := base; at < end && r.err == nil; at++ {
		if r.found[at].field != field {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		inner := len(r.found)
		r.collect(r.found[at].bytes, entry)
		name, _ := r.last(entry, inner, entry.byNumber[1])
		if key.kind == protoreflect.StringKind {
			dst = r.scalar(dst, key, name)
		} else {
			dst = append(r.scalar(append(dst, '"'), key, name), '"')
		}
		dst = append(dst, ':')
		o, _ := r.last(entry, inner, entry.byNumber[2])
		if value.message != nil {
			dst = r.message(dst, r.merged(inner, entry.byNumber[2], o), value.message, depth+1)
		} else {
			dst = r.scalar(dst, value, o)
		}
		r.found = r.found[:inner]
	}
	return append(dst, '}')
}

// scalar appends one value; that of no occurrence is zero.
func (r *protoReader) scalar(dst []byte, f *protoField, o occurrence) []byte {
	switch f.kind {
	case protoreflect.BoolKind:
		return strconv.AppendBool(dst, o.number != 0)
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind:
		return strconv.AppendInt(dst, int64(int32(o.number)), 10)
	case protoreflect.Sint32Kind:
		return strconv.AppendInt(dst, int64(int32(protowire.DecodeZigZag(o.number&math.MaxUint32))), 10)
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		return strconv.AppendInt(dst, int64(o.number), 10)
	case protoreflect.Sint64Kind:
		return strconv.AppendInt(dst, protowire.DecodeZigZag(o.number), 10)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return strconv.AppendUint(dst, uint64(uint32(o.number)), 10)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(dst, o.number, 10)
	case protoreflect.FloatKind:
		return appendFloat(dst, float64(math.Float32frombits(uint32(o.number))), 32)
	case protoreflect.DoubleKind:
		return appendFloat(dst, math.Float64frombits(o.number), 64)
	case protoreflect.EnumKind:
		if name, ok := f.symbols[protoreflect.EnumNumber(int32(o.number))]; ok {
			return append(append(append(dst, '"'), name...), '"')
		}
		return strconv.AppendInt(dst, int64(int32(o.number)), 10)
	case protoreflect.BytesKind:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), o.bytes), '"')
	}
	if !utf8.Valid(o.bytes) {
		r.fail(errNotUTF8)
	}
	return pipeline.AppendString(dst, o.bytes)
}

// The times that Timestamp and Duration may hold (timestamp.proto, duration.proto).
const (
	firstSecond  = -62135596800
	lastSecond   = 253402300799
	mostSeconds  = 315576000000
	nanosPerUnit = 1_000_000_000
)

// known appends a message that has a form of its own in JSON.
func (r *protoReader) known(dst []byte, m *protoMessage, base, depth int) []byte {
	switch m.known {
	case "Timestamp", "Duration":
		seconds, _ := r.last(m, base, m.byNumber[1])
		nanos, _ := r.last(m, base, m.byNumber[2])
		return r.time(dst, m.known, int64(seconds.number), int64(int32(nanos.number)))
	case "Struct":
		return r.entries(dst, m, base, m.byNumber[1], depth)
	case "ListValue":
		return r.list(dst, m, base, m.byNumber[1], depth)
	case "Value":
		for i := range m.fields {
			o, there := r.last(m, base, i)
			switch f := &m.fields[i]; {
			case !there:
			case f.message != nil:
				return r.message(dst, r.merged(base, i, o), f.message, depth+1)
			case f.kind == protoreflect.EnumKind:
				return append(dst, "null"...)
			default:
				return r.scalar(dst, f, o)
			}
		}
		return append(dst, "null"...)
	}
	value, _ := r.last(m, base, 0) // a wrapper
	return r.scalar(dst, &m.fields[0], value)
}

func (r *protoReader) time(dst []byte, known string, seconds, nanos int64) []byte {
	if known == "Timestamp" {
		if seconds < firstSecond || seconds > lastSecond || nanos < 0 || nanos >= nanosPerUnit {
			r.fail(errors.New("a timestamp in it is out of range"))
		}
		return appendTime(dst, time.Unix(seconds, nanos).UTC())
	}
	if seconds < -mostSeconds || seconds > mostSeconds || nanos <= -nanosPerUnit || nanos >= nanosPerUnit || seconds > 0 && nanos < 0 || seconds < 0 && nanos > 0 {
		r.fail(errors.New("a duration in it is out of range"))
		return dst
	}
	dst = append(dst, '"')
	if seconds < 0 || nanos < 0 {
		dst, seconds, nanos = append(dst, '-'), -seconds, -nanos
	}
	dst = strconv.AppendInt(dst, seconds, 10)
	if nanos > 0 {
		fraction := fmt.Sprintf(".%09d", nanos)
		for fraction[len(fraction)-1] == '0' {
			fraction = fraction[:len(fraction)-1]
		}
		dst = append(dst, fraction...)
	}
	return append(dst, `s"`...)
}
