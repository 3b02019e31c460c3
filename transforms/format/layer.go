package format

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"

	"github.com/penstock-io/penstock/pipeline"
)

// EncodedSettings are the settings of base64 and hex.
type EncodedSettings struct {
	Of pipeline.Named `yaml:"of,scalar" of:"format" default:"bytes" example:"json" doc:"The format of what is within."`
}

// PackedSettings are the settings of gzip, zstd, lz4 and snappy.
type PackedSettings struct {
	Of    pipeline.Named `yaml:"of,scalar" of:"format" default:"bytes" example:"json" doc:"The format of what is within."`
	Limit pipeline.Size  `yaml:"limit" default:"64 MiB" min:"1" doc:"The most that one value may unpack to, which is never more than 100 times its size (or 256 KiB, where that is more). One of more is refused."`
}

// layer is a format around another one.
type layer struct {
	inner  pipeline.Format
	unpack func(b *pipeline.Batch, raw []byte) ([]byte, error)
	pack   func(b *pipeline.Batch, raw []byte) ([]byte, error)
	text   bool // what it packs is text
}

// Read unpacks the bytes, and reads what is within.
func (l *layer) Read(ctx context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	within, err := l.unpack(b, raw)
	if err != nil {
		return pipeline.Value{}, unread(err)
	}
	return l.inner.Read(ctx, b, within)
}

// Write writes what is within, and packs it.
func (l *layer) Write(ctx context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	within := *v
	if err := l.inner.Write(ctx, b, &within); err != nil {
		return err
	}
	packed, err := l.pack(b, within.Raw())
	if err != nil {
		return refused("the value cannot be packed", err, "")
	}
	if *v = pipeline.RawValue(packed); l.text {
		*v = pipeline.TextValue(packed)
	}
	return nil
}

// Writable says why what is within cannot be written.
func (l *layer) Writable() error { return Writable(l.inner) }

// Writable says why a format cannot write; nil: it can.
func Writable(f pipeline.Format) error {
	if w, ok := f.(pipeline.Writable); ok {
		return w.Writable()
	}
	return nil
}

// NewBase64 makes the format base64 (RFC 4648) around another one. It reads both
// alphabets, with and without padding, and writes the standard one with it.
func NewBase64(inner pipeline.Format) pipeline.Format {
	return &layer{inner: inner, text: true, unpack: readBase64, pack: func(b *pipeline.Batch, raw []byte) ([]byte, error) {
		return base64.StdEncoding.AppendEncode(b.Arena.Alloc(base64.StdEncoding.EncodedLen(len(raw))), raw), nil
	}}
}

func readBase64(b *pipeline.Batch, raw []byte) ([]byte, error) {
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(raw, "-_") {
		encoding = base64.RawURLEncoding
	}
	out, err := encoding.AppendDecode(b.Arena.Alloc(base64.StdEncoding.DecodedLen(len(raw))), bytes.TrimRight(raw, "=\r\n"))
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	return out, nil
}

// NewHex makes the format hex around another one. It reads capitals, and writes none.
func NewHex(inner pipeline.Format) pipeline.Format {
	return &layer{inner: inner, text: true, unpack: func(b *pipeline.Batch, raw []byte) ([]byte, error) {
		out, err := hex.AppendDecode(b.Arena.Alloc(len(raw)/2), raw)
		if err != nil {
			return nil, errors.New("it is not hexadecimal")
		}
		return out, nil
	}, pack: func(b *pipeline.Batch, raw []byte) ([]byte, error) {
		return hex.AppendEncode(b.Arena.Alloc(2*len(raw)), raw), nil
	}}
}
