package format

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// appendDecimal appends mantissa × 10^exponent, 12.50 for 1250 and -2.
func appendDecimal(dst, mantissa []byte, exponent int) []byte {
	if mantissa[0] == '-' {
		dst, mantissa = append(dst, '-'), mantissa[1:]
	}
	switch digits := len(mantissa); {
	case exponent == 0:
		return append(dst, mantissa...)
	case exponent > 0 || -exponent > digits+40:
		return strconv.AppendInt(append(append(dst, mantissa...), 'e'), int64(exponent), 10)
	case -exponent < digits:
		point := digits + exponent
		dst = append(append(dst, mantissa[:point]...), '.')
		return append(dst, mantissa[point:]...)
	default:
		dst = append(dst, "0."...)
		for range -exponent - digits {
			dst = append(dst, '0')
		}
		return append(dst, mantissa...)
	}
}

// appendUnscaled appends a decimal: a whole number in two's complement, big-endian, of
// which the last scale digits stand behind the point.
func appendUnscaled(dst, raw []byte, scale int) []byte {
	mantissa := new(big.Int).SetBytes(raw)
	if len(raw) > 0 && raw[0] >= 0x80 {
		mantissa.Sub(mantissa, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
	}
	return appendDecimal(dst, mantissa.Append(nil, 10), -scale)
}

// unscaled gives a number × 10^scale in two's complement, big-endian, at its shortest.
func unscaled(raw []byte, scale int) ([]byte, error) {
	mantissa, exponent, ok := splitDecimal(string(raw))
	if !ok || exponent+scale > maxBignum {
		return nil, errors.New("it is out of range")
	}
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exponent+scale, -exponent-scale))), nil)
	if exponent+scale >= 0 {
		mantissa.Mul(mantissa, power)
	} else if _, rest := mantissa.QuoRem(mantissa, power, new(big.Int)); rest.Sign() != 0 {
		return nil, fmt.Errorf("it has more than %d digits behind the point, and the schema's decimal has no more", scale)
	}
	if mantissa.Sign() >= 0 {
		return mantissa.FillBytes(make([]byte, mantissa.BitLen()/8+1)), nil
	}
	size := new(big.Int).Not(mantissa).BitLen()/8 + 1
	mantissa.Add(mantissa, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	return mantissa.FillBytes(make([]byte, size)), nil
}

// splitDecimal gives a JSON number as mantissa × 10^exponent, 1250 and -2 for 12.50;
// false: it is too long, or its exponent too large.
func splitDecimal(raw string) (mantissa *big.Int, exponent int, ok bool) {
	digits, e, found := strings.Cut(strings.ToLower(raw), "e")
	if len(digits) > 2*maxBignum {
		return nil, 0, false
	}
	if found {
		power, good := new(big.Int).SetString(strings.TrimPrefix(e, "+"), 10)
		if !good || !power.IsInt64() || power.Int64() > 1<<14 || power.Int64() < -1<<14 {
			return nil, 0, false
		}
		exponent = int(power.Int64())
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	mantissa, ok = new(big.Int).SetString(whole+fraction, 10)
	return mantissa, exponent - len(fraction), ok
}
