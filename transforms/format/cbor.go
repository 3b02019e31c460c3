package format

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"

	"github.com/penstock-io/penstock/pipeline"
)

// CBOR is RFC 8949. Byte strings come as base64, big numbers (tags 2, 3) and decimal
// fractions (tag 4) as numbers, undefined as null, NaN and infinities as strings, a
// key that is no text as its text; other tags give what they tag. JSON goes out with
// the shortest form of each value, and loses no digit.
type CBOR struct {
	decode cbor.DecMode
	encode cbor.EncMode
}

// NewCBOR makes the format.
func NewCBOR() (*CBOR, error) {
	decode, err := cbor.DecOptions{MaxNestedLevels: maxNested, MaxArrayElements: math.MaxInt32, MaxMapPairs: math.MaxInt32}.DecMode()
	if err != nil {
		return nil, fmt.Errorf("cbor: %w", err)
	}
	encode, err := cbor.EncOptions{ShortestFloat: cbor.ShortestFloat16}.EncMode()
	if err != nil {
		return nil, fmt.Errorf("cbor: %w", err)
	}
	return &CBOR{decode, encode}, nil
}

// The major types of RFC 8949, section 3.1.
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborArray
	cborMap
	cborTag
	cborSimple
)

// The tags that have a form of their own in JSON, RFC 8949, section 3.4.
const (
	tagBignum         = 2
	tagNegativeBignum = 3
	tagDecimal        = 4
)

// Read gives the document.
func (f *CBOR) Read(_ context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	if err := f.decode.Wellformed(raw); err != nil {
		if _, nested := errors.AsType[*cbor.MaxNestedLevelError](err); nested {
			return pipeline.Value{}, unread(errNested)
		}
		return pipeline.Value{}, unread(errors.New("it is not CBOR, or cut short"))
	}
	w := cborReader{rest: raw}
	json := w.value(b.Arena.Alloc(2*len(raw) + 16))
	if w.err != nil {
		return pipeline.Value{}, unread(w.err)
	}
	return document(b, json)
}

// cborReader walks over well-formed CBOR.
type cborReader struct {
	rest []byte
	err  error
}

// head takes the head of an item: its major type, and its argument; open: its length
// is not given.
func (r *cborReader) head() (major int, info byte, argument uint64, open bool) {
	major, info = int(r.rest[0]>>5), r.rest[0]&31
	r.rest = r.rest[1:]
	switch {
	case info < 24:
		return major, info, uint64(info), false
	case info == 31:
		return major, info, 0, true
	}
	size := 1 << (info - 24)
	var full [8]byte
	copy(full[8-size:], r.rest[:size])
	r.rest = r.rest[size:]
	return major, info, binary.BigEndian.Uint64(full[:]), false
}

// more tells whether element i of a collection follows.
func (r *cborReader) more(i, n uint64, open bool) bool {
	if r.err != nil {
		return false
	}
	if open && r.rest[0] == 0xff {
		r.rest = r.rest[1:]
		return false
	}
	return open || i < n
}

func (r *cborReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// value appends the item that comes next as JSON.
func (r *cborReader) value(dst []byte) []byte {
	major, info, n, open := r.head()
	switch major {
	case cborUint:
		return strconv.AppendUint(dst, n, 10)
	case cborNegative:
		return appendNegative(dst, new(big.Int).SetUint64(n))
	case cborBytes:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), r.chunks(n, open)), '"')
	case cborText:
		text := r.chunks(n, open)
		if !utf8.Valid(text) {
			r.fail(errNotUTF8)
		}
		return pipeline.AppendString(dst, text)
	case cborArray:
		dst = append(dst, '[')
		for i := uint64(0); r.more(i, n, open); i++ {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = r.value(dst)
		}
		return append(dst, ']')
	case cborMap:
		dst = append(dst, '{')
		for i := uint64(0); r.more(i, n, open); i++ {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = r.value(append(r.name(dst), ':'))
		}
		return append(dst, '}')
	case cborTag:
		return r.tagged(dst, n)
	}
	return r.simple(dst, info, n)
}

// chunks takes the bytes of a string, whose chunks follow where its length is open.
func (r *cborReader) chunks(n uint64, open bool) []byte {
	if !open {
		bytes := r.rest[:n]
		r.rest = r.rest[n:]
		return bytes
	}
	var all []byte
	for r.more(0, 0, true) {
		_, _, n, _ = r.head()
		all = append(all, r.rest[:n]...)
		r.rest = r.rest[n:]
	}
	return all
}

// name appends the key of a map as the name of a field.
func (r *cborReader) name(dst []byte) []byte {
	switch int(r.rest[0] >> 5) {
	case cborText, cborBytes:
		return r.value(dst)
	case cborUint, cborNegative:
		return append(r.value(append(dst, '"')), '"')
	}
	r.fail(errors.New("the key of a map is neither text nor a whole number"))
	return r.value(dst)
}

// appendNegative appends -1-n.
func appendNegative(dst []byte, n *big.Int) []byte {
	return n.Sub(big.NewInt(-1), n).Append(dst, 10)
}

// maxBignum bounds big numbers: writing them in decimals takes time that grows faster
// than they do.
const maxBignum = 1 << 10

func (r *cborReader) tagged(dst []byte, tag uint64) []byte {
	switch tag {
	case tagBignum, tagNegativeBignum:
		if int(r.rest[0]>>5) != cborBytes {
			r.fail(errors.New("a big number is not made of bytes"))
			return dst
		}
		_, _, n, open := r.head()
		bytes := r.chunks(n, open)
		if len(bytes) > maxBignum {
			r.fail(fmt.Errorf("a big number has more than %d bytes", maxBignum))
			return dst
		}
		number := new(big.Int).SetBytes(bytes)
		if tag == tagNegativeBignum {
			return appendNegative(dst, number)
		}
		return number.Append(dst, 10)
	case tagDecimal:
		return r.decimal(dst)
	}
	return r.value(dst)
}

// decimal appends [exponent, mantissa] as a number.
func (r *cborReader) decimal(dst []byte) []byte {
	major, _, n, _ := r.head()
	if major != cborArray || n != 2 {
		r.fail(errors.New("a decimal fraction is not an exponent and a mantissa"))
		return dst
	}
	exponent := r.value(nil)
	mantissa := r.value(nil)
	e, err := strconv.Atoi(string(exponent))
	if r.err == nil && (err != nil || e > math.MaxInt16 || e < math.MinInt16 || !number(mantissa)) {
		r.fail(errors.New("a decimal fraction is out of range"))
	}
	if r.err != nil {
		return dst
	}
	return appendDecimal(dst, mantissa, e)
}

// number tells whether JSON text is a whole number.
func number(json []byte) bool {
	for i, c := range json {
		if (c < '0' || c > '9') && (c != '-' || i > 0) {
			return false
		}
	}
	return len(json) > 0
}

// The simple values and floats, by the low bits of their heads (RFC 8949, section 3.3).
const (
	cborFalse     = 20
	cborTrue      = 21
	cborNull      = 22
	cborUndefined = 23
	cborFloat16   = 25
	cborFloat32   = 26
	cborFloat64   = 27
)

func (r *cborReader) simple(dst []byte, info byte, n uint64) []byte {
	switch info {
	case cborFalse:
		return append(dst, "false"...)
	case cborTrue:
		return append(dst, "true"...)
	case cborNull, cborUndefined:
		return append(dst, "null"...)
	case cborFloat16:
		return appendFloat(dst, float16(uint16(n)), 64)
	case cborFloat32:
		return appendFloat(dst, float64(math.Float32frombits(uint32(n))), 64)
	case cborFloat64:
		return appendFloat(dst, math.Float64frombits(n), 64)
	}
	r.fail(errors.New("a simple value in it has no form in JSON"))
	return dst
}

// float16 gives the number that 16 bits stand for (RFC 8949, appendix D).
func float16(half uint16) float64 {
	exponent, mantissa := int(half>>10)&31, float64(half&1023)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(mantissa, -24)
	case 31:
		f = math.Inf(1)
		if mantissa != 0 {
			return math.NaN()
		}
	default:
		f = math.Ldexp(mantissa+1024, exponent-25)
	}
	if half&0x8000 != 0 {
		return -f
	}
	return f
}
