package format

import (
	"context"
	"encoding/binary"
	"math/big"

	"github.com/penstock-io/penstock/pipeline"
)

// Write makes the document CBOR.
func (f *CBOR) Write(_ context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	n, err := root(b, v)
	if err != nil {
		return err
	}
	out, err := f.append(b.Arena.Alloc(len(n.Raw())+16), n)
	if err != nil {
		return err
	}
	*v = pipeline.RawValue(out)
	return nil
}

func (f *CBOR) append(dst []byte, n pipeline.Node) ([]byte, error) {
	var err error
	switch n.Type() {
	case pipeline.JSONNull:
		return append(dst, cborSimple<<5|cborNull), nil
	case pipeline.JSONBool:
		if n.Bool() {
			return append(dst, cborSimple<<5|cborTrue), nil
		}
		return append(dst, cborSimple<<5|cborFalse), nil
	case pipeline.JSONString:
		return appendCBORText(dst, textOf(n)), nil
	case pipeline.JSONArray:
		dst = cborHead(dst, cborArray, uint64(n.Len()))
		for e := range n.Elements {
			if dst, err = f.append(dst, e); err != nil {
				return nil, err
			}
		}
		return dst, nil
	case pipeline.JSONObject:
		dst = cborHead(dst, cborMap, uint64(n.Len()))
		for name, value := range n.Fields {
			if dst, err = f.append(appendCBORText(dst, name), value); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	return f.number(dst, n)
}

// cborHead appends the head of an item in its shortest form.
func cborHead(dst []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(dst, major<<5|byte(n))
	case n < 1<<8:
		return append(dst, major<<5|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, major<<5|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(dst, major<<5|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, major<<5|27), n)
}

func appendCBORText[T string | []byte](dst []byte, text T) []byte {
	return append(cborHead(dst, cborText, uint64(len(text))), text...)
}

// number appends a number exactly: as an integer, a float, a big number, or a decimal
// fraction, whichever is the first that holds it.
func (f *CBOR) number(dst []byte, n pipeline.Node) ([]byte, error) {
	raw := n.Raw()
	if i, ok := n.Int(); ok && i < 0 {
		return cborHead(dst, cborNegative, uint64(-(i + 1))), nil
	}
	if u, ok := n.Uint(); ok {
		return cborHead(dst, cborUint, u), nil
	}
	if !integer(raw) {
		if float, ok := exactFloat(raw, 64); ok {
			encoded, err := f.encode.Marshal(float)
			return append(dst, encoded...), err
		}
	}
	mantissa, exponent, ok := splitDecimal(string(raw))
	if !ok {
		return nil, refused("a number in the value is out of range", nil, "make it a text first (cast)")
	}
	if exponent != 0 {
		dst = cborHead(cborHead(dst, cborTag, tagDecimal), cborArray, 2)
		dst = cborBig(dst, big.NewInt(int64(exponent)))
	}
	return cborBig(dst, mantissa), nil
}

// cborBig appends a whole number of any size, in its shortest form.
func cborBig(dst []byte, n *big.Int) []byte {
	major, tag := byte(cborUint), uint64(tagBignum)
	if n.Sign() < 0 {
		n = new(big.Int).Sub(big.NewInt(-1), n)
		major, tag = cborNegative, tagNegativeBignum
	}
	if n.IsUint64() {
		return cborHead(dst, major, n.Uint64())
	}
	bytes := n.Bytes()
	return append(cborHead(cborHead(dst, cborTag, tag), cborBytes, uint64(len(bytes))), bytes...)
}
