package format

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/penstock-io/penstock/pipeline"
)

// NewGzip makes the format gzip (RFC 1952) around another one. A value unpacks to at
// most limit bytes.
func NewGzip(inner pipeline.Format, limit pipeline.Size) pipeline.Format {
	writers := sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	readers := sync.Pool{New: func() any { return new(gzip.Reader) }}
	return &layer{inner: inner, unpack: func(_ *pipeline.Batch, raw []byte) ([]byte, error) {
		r := readers.Get().(*gzip.Reader)
		defer readers.Put(r)
		if err := r.Reset(bytes.NewReader(raw)); err != nil {
			return nil, errors.New("it is not gzip")
		}
		return bounded("gzip", r, allowed(raw, limit))
	}, pack: func(_ *pipeline.Batch, raw []byte) ([]byte, error) {
		w := writers.Get().(*gzip.Writer)
		defer writers.Put(w)
		var out bytes.Buffer
		w.Reset(&out)
		return packed(w, &out, raw)
	}}
}

// NewLZ4 makes the format lz4, its frames, around another one, as NewGzip does.
func NewLZ4(inner pipeline.Format, limit pipeline.Size) pipeline.Format {
	writers := sync.Pool{New: func() any { return lz4.NewWriter(nil) }}
	readers := sync.Pool{New: func() any { return lz4.NewReader(nil) }}
	return &layer{inner: inner, unpack: func(_ *pipeline.Batch, raw []byte) ([]byte, error) {
		r := readers.Get().(*lz4.Reader)
		defer readers.Put(r)
		if r.Reset(bytes.NewReader(raw)); len(raw) == 0 {
			return nil, errors.New("it is not lz4: it is empty")
		}
		return bounded("lz4", r, allowed(raw, limit))
	}, pack: func(_ *pipeline.Batch, raw []byte) ([]byte, error) {
		w := writers.Get().(*lz4.Writer)
		defer writers.Put(w)
		var out bytes.Buffer
		w.Reset(&out)
		return packed(w, &out, raw)
	}}
}

// zstdWindow is the window that every reader should take (RFC 8878, section 3.1.1.1.2).
const zstdWindow = 8 << 20

// NewZstd makes the format zstd (RFC 8878) around another one, as NewGzip does.
func NewZstd(inner pipeline.Format, limit pipeline.Size) (pipeline.Format, error) {
	reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(uint64(max(limit, zstdWindow))))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	writer, err := zstd.NewWriter(nil, zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("zstd: %w", err)
	}
	return &layer{inner: inner, unpack: func(_ *pipeline.Batch, raw []byte) ([]byte, error) {
		most := allowed(raw, limit)
		out, err := reader.DecodeAll(raw, nil)
		switch {
		case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded), err == nil && len(out) > int(most):
			return nil, tooLarge(most)
		case err != nil || len(raw) == 0:
			return nil, errors.New("it is not zstd, or cut short")
		}
		return out, nil
	}, pack: func(_ *pipeline.Batch, raw []byte) ([]byte, error) {
		return writer.EncodeAll(raw, nil), nil
	}}, nil
}

// framed is what the frames of snappy begin with.
var framed = []byte("\xff\x06\x00\x00sNaPpY")

// NewSnappy makes the format snappy around another one, as NewGzip does. It reads
// blocks and frames, and writes blocks.
func NewSnappy(inner pipeline.Format, limit pipeline.Size) pipeline.Format {
	return &layer{inner: inner, unpack: func(_ *pipeline.Batch, raw []byte) ([]byte, error) {
		if bytes.HasPrefix(raw, framed) {
			return bounded("snappy", snappy.NewReader(bytes.NewReader(raw)), allowed(raw, limit))
		}
		size, err := snappy.DecodedLen(raw)
		if most := allowed(raw, limit); err == nil && size > int(most) {
			return nil, tooLarge(most)
		}
		if err == nil {
			raw, err = snappy.Decode(nil, raw)
		}
		if err != nil {
			return nil, errors.New("it is not snappy, or cut short")
		}
		return raw, nil
	}, pack: func(_ *pipeline.Batch, raw []byte) ([]byte, error) {
		return snappy.Encode(nil, raw), nil
	}}
}

// What one value may unpack to: so many times its size, or so much where that is more.
// Within a batch they add up.
const (
	mostTimes = 100
	always    = 256 << 10
)

// allowed is the most that a value may unpack to.
func allowed(raw []byte, limit pipeline.Size) pipeline.Size {
	return min(limit, max(always, mostTimes*pipeline.Size(len(raw))))
}

// bounded reads all that r gives, up to a limit.
func bounded(name string, r io.Reader, limit pipeline.Size) ([]byte, error) {
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(r, int64(limit)+1))
	switch {
	case n > int64(limit):
		return nil, tooLarge(limit)
	case err != nil:
		return nil, fmt.Errorf("it is not %s, or cut short", name)
	}
	return out.Bytes(), nil
}

func tooLarge(limit pipeline.Size) error {
	return fmt.Errorf("it unpacks to more than %d bytes", limit)
}

// packed writes raw to w, which writes to out.
func packed(w io.WriteCloser, out *bytes.Buffer, raw []byte) ([]byte, error) {
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
