package format

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
)

// mostJSON bounds the JSON that one value may become: what takes no bytes (an array of
// nulls, an alias) could be of any length.
func mostJSON(raw []byte) int { return max(1<<20, 200*len(raw)) }

// tooMuch is the error of a value that becomes more.
func tooMuch(most int) error { return fmt.Errorf("it decodes to more than %d bytes", most) }

// avroReader reads the binary encoding of Avro (specification 1.12, Binary Encoding).
type avroReader struct {
	rest []byte
	most int // bytes of JSON
	err  error
}

func (r *avroReader) fail(err error) {
	if r.err == nil {
		r.err, r.rest = err, nil
	}
}

// take takes n bytes.
func (r *avroReader) take(n int64) []byte {
	if n < 0 || n > int64(len(r.rest)) {
		r.fail(errCutShort)
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

// long takes a zigzag varint.
func (r *avroReader) long() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail(errCutShort)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// value appends a value of type t as JSON.
func (r *avroReader) value(dst []byte, t *avroType, depth int) []byte {
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
	switch t.kind {
	case "null":
		return append(dst, "null"...)
	case "boolean":
		return r.boolean(dst)
	case "int", "long":
		n := r.long()
		if t.kind == "int" && (n > math.MaxInt32 || n < math.MinInt32) {
			r.fail(errCutShort)
		}
		return strconv.AppendInt(dst, n, 10)
	case "float":
		if raw := r.take(4); raw != nil {
			return appendFloat(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))), 32)
		}
	case "double":
		if raw := r.take(8); raw != nil {
			return appendFloat(dst, math.Float64frombits(binary.LittleEndian.Uint64(raw)), 64)
		}
	case "string":
		text := r.take(r.long())
		if !utf8.Valid(text) {
			r.fail(errNotUTF8)
		}
		return pipeline.AppendString(dst, text)
	case "bytes":
		return r.bytes(dst, t, r.take(r.long()))
	case "fixed":
		return r.bytes(dst, t, r.take(int64(t.size)))
	case "enum":
		if i := r.long(); i >= 0 && i < int64(len(t.symbols)) {
			return pipeline.AppendString(dst, t.symbols[i])
		}
		r.fail(errCutShort)
	case "union":
		if i := r.long(); i >= 0 && i < int64(len(t.branches)) {
			return r.value(dst, t.branches[i], depth+1)
		}
		r.fail(errCutShort)
	case "record":
		return r.record(dst, t, depth)
	default:
		return r.blocks(dst, t, depth)
	}
	return dst
}

func (r *avroReader) boolean(dst []byte) []byte {
	raw := r.take(1)
	if raw == nil || raw[0] > 1 {
		r.fail(errCutShort)
		return dst
	}
	return strconv.AppendBool(dst, raw[0] == 1)
}

// bytes appends bytes as base64, or as the decimal that they are.
func (r *avroReader) bytes(dst []byte, t *avroType, raw []byte) []byte {
	if !t.decimal {
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), raw), '"')
	}
	if len(raw) > maxBignum {
		r.fail(errors.New("a decimal in it is too long"))
		return dst
	}
	return appendUnscaled(dst, raw, t.scale)
}

func (r *avroReader) record(dst []byte, t *avroType, depth int) []byte {
	dst = append(dst, '{')
	for i := range t.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		f := &t.fields[i]
		dst = r.value(append(dst, f.opening...), f.typ, depth+1)
	}
	return append(dst, '}')
}

// blocks appends an array or a map: blocks of elements, the last one empty.
func (r *avroReader) blocks(dst []byte, t *avroType, depth int) []byte {
	isMap, start := t.kind == "map", len(dst)
	dst = append(dst, "["...)
	if isMap {
		dst[start] = '{'
	}
	for r.err == nil {
		n := r.long()
		if n == 0 {
			break
		}
		if n < 0 {
			n = -n
			r.long() // the bytes of the block, for who skips it
		}
		for ; n > 0 && r.err == nil; n-- {
			if len(dst) > start+1 {
				dst = append(dst, ',')
			}
			if isMap {
				name := r.take(r.long())
				if !utf8.Valid(name) {
					r.fail(errNotUTF8)
				}
				dst = append(pipeline.AppendString(dst, name), ':')
			}
			dst = r.value(dst, t.element, depth+1)
		}
	}
	if isMap {
		return append(dst, '}')
	}
	return append(dst, ']')
}
