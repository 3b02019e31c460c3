// Package format reads the bytes of values when they come, and writes them when
// they go. A Reader is the first transform of a pipeline, a Writer the last.
//
// What a Writer makes of a value, by how it was read:
//
//	            as it came   bytes        text                      json
//	bytes       the bytes    the bytes    the bytes, if UTF-8       error
//	text        the text     the text     the text                  a JSON string
//	json        the JSON     the JSON     the JSON; of a string     the JSON
//	                                      what stands in its quotes
//
// JSON that nothing changed goes out as the bytes that came.
package format

import (
	"context"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
)

// The formats.
const (
	AsItCame = ""      // of a Writer only
	Bytes    = "bytes" // nothing is read; values have no fields
	Text     = "text"  // valid UTF-8; values have no fields
	JSON     = "json"  // a JSON text
)

// Names lists the formats that a file can name.
func Names() []string { return []string{Bytes, JSON, Text} }

// Reader reads values that nothing has read yet.
type Reader struct {
	read func(*pipeline.Batch, []byte) (pipeline.Value, error)
}

// NewReader makes the reader of a format.
func NewReader(name string) (*Reader, error) {
	switch name {
	case Bytes:
		return &Reader{}, nil
	case Text:
		return &Reader{readText}, nil
	case JSON:
		return &Reader{readJSON}, nil
	}
	return nil, unknown(name)
}

// Apply reads the values of b. Those that do not fit the format are errors of
// their records; those that are read already (entries of a stream) stay.
func (f *Reader) Apply(_ context.Context, b *pipeline.Batch) error {
	if f.read == nil {
		return nil
	}
	for r := range b.Live {
		if r.Value.Kind() != pipeline.Opaque {
			continue
		}
		v, err := f.read(b, r.Value.Raw())
		if err != nil {
			r.Fail(err)
			continue
		}
		r.Value = v
	}
	return nil
}

func readText(_ *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	if !utf8.Valid(raw) {
		return pipeline.Value{}, &pipeline.Error{Class: pipeline.Permanent, What: "the value is not valid UTF-8",
			Do: "set source.format to bytes to take it as it is"}
	}
	return pipeline.TextValue(raw), nil
}

func readJSON(b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	const asItIs = "set source.format to text or bytes to take it as it is"
	if len(raw) == 0 {
		return pipeline.Value{}, &pipeline.Error{Class: pipeline.Permanent, What: "the value is empty, and that is not JSON", Do: asItIs}
	}
	v, err := b.Document(raw)
	if err != nil {
		return v, &pipeline.Error{Class: pipeline.Permanent, What: "the value cannot be read", Err: err, Do: asItIs}
	}
	return v, nil
}

// Writer writes values, and seals the batch.
type Writer struct {
	write func(*pipeline.Batch, *pipeline.Value) error
}

// NewWriter makes the writer of a format.
func NewWriter(name string) (*Writer, error) {
	switch name {
	case AsItCame, Bytes:
		return &Writer{}, nil
	case Text:
		return &Writer{writeText}, nil
	case JSON:
		return &Writer{writeJSON}, nil
	}
	return nil, unknown(name)
}

// Apply writes the values of b, and seals it. Values that the format cannot hold
// are errors of their records.
func (f *Writer) Apply(_ context.Context, b *pipeline.Batch) error {
	if f.write != nil {
		for r := range b.Live {
			if err := f.write(b, &r.Value); err != nil {
				r.Fail(err)
			}
		}
	}
	b.Seal()
	return nil
}

func writeText(b *pipeline.Batch, v *pipeline.Value) error {
	if v.Kind() == pipeline.Opaque && !utf8.Valid(v.Raw()) {
		return &pipeline.Error{Class: pipeline.Permanent, What: "the value is not valid UTF-8", Do: "set sink.format to bytes"}
	}
	if n, ok := v.Root(); ok && n.Type() == pipeline.JSONString {
		*v = pipeline.TextValue(n.AppendText(b.Arena.Alloc(len(n.Raw()))))
	}
	return nil
}

func writeJSON(b *pipeline.Batch, v *pipeline.Value) error {
	switch v.Kind() {
	case pipeline.Opaque:
		return &pipeline.Error{Class: pipeline.Permanent, What: "the value is bytes, and those have no JSON form",
			Do: "set source.format to json or text"}
	case pipeline.Text:
		return v.Set(b, nil, pipeline.AppendString(b.Arena.Alloc(len(v.Raw())+2), v.Raw()))
	}
	return nil
}

func unknown(name string) error {
	return &pipeline.Error{Class: pipeline.Permanent, What: "there is no format " + name, Do: "use bytes, json or text"}
}
