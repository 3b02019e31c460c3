package format

import (
	"math"
	"math/big"
	"strconv"

	"github.com/penstock-io/penstock/pipeline"
)

// appendFloat appends a float of 32 or 64 bits as JSON: the shortest number that is
// this float, or a string where it is no number.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	case bits == 64:
		return pipeline.AppendFloat(dst, f)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 32)
}

// exactFloat gives the float of 32 or 64 bits that is written as the number raw; false:
// there is none, and the number would come back as another one.
func exactFloat(raw []byte, bits int) (float64, bool) {
	f, err := strconv.ParseFloat(string(raw), bits)
	if err != nil {
		return f, false
	}
	digits, least := 15, 1e-300 // so many always come back
	if bits == 32 {
		digits, least = 6, 1e-37
	}
	if f == 0 || significant(raw) <= digits && math.Abs(f) > least {
		return f, f != 0 || zero(raw)
	}
	want, ok := new(big.Rat).SetString(string(raw))
	if !ok {
		return f, false
	}
	got, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, bits))
	if ok && got.Cmp(want) == 0 {
		return f, true
	}
	return f, new(big.Rat).SetFloat64(f).Cmp(want) == 0
}

// zero tells whether a number has no digit but 0 before its exponent.
func zero(raw []byte) bool {
	for _, c := range raw {
		switch {
		case c == 'e' || c == 'E':
			return true
		case c >= '1' && c <= '9':
			return false
		}
	}
	return true
}

// significant counts the digits of a number before its exponent, without zeros that
// lead.
func significant(raw []byte) int {
	n := 0
	for _, c := range raw {
		switch {
		case c == 'e' || c == 'E':
			return n
		case c >= '1' && c <= '9', c == '0' && n > 0:
			n++
		}
	}
	return n
}

// integer tells whether a number is written without fraction and exponent.
func integer(raw []byte) bool {
	for _, c := range raw {
		if c == '.' || c == 'e' || c == 'E' {
			return false
		}
	}
	return true
}
