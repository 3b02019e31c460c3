package format

import (
	"context"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
)

type (
	// Bytes takes bytes as they are. Nothing is read; values have no fields.
	Bytes struct{}
	// Text is valid UTF-8. Values have no fields.
	Text struct{}
	// JSON is a JSON text.
	JSON struct{}
)

// Read gives the bytes.
func (Bytes) Read(_ context.Context, _ *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	return pipeline.RawValue(raw), nil
}

// Write leaves the value as it is.
func (Bytes) Write(context.Context, *pipeline.Batch, *pipeline.Value) error { return nil }

// Read gives the text.
func (Text) Read(_ context.Context, _ *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	if !utf8.Valid(raw) {
		return pipeline.Value{}, refused("the value is not valid UTF-8", nil, "set source.format to bytes to take it as it is")
	}
	return pipeline.TextValue(raw), nil
}

// Write makes a JSON string the text that stands in its quotes, and leaves all else.
func (Text) Write(_ context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	if v.Kind() == pipeline.Opaque && !utf8.Valid(v.Raw()) {
		return refused("the value is not valid UTF-8", nil, "set sink.format to bytes")
	}
	if n, ok := v.Root(); ok && n.Type() == pipeline.JSONString {
		*v = pipeline.TextValue(n.AppendText(b.Arena.Alloc(len(n.Raw()))))
	}
	return nil
}

// Read gives the document.
func (JSON) Read(_ context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	const asItIs = "set source.format to text or bytes to take it as it is"
	if len(raw) == 0 {
		return pipeline.Value{}, refused("the value is empty, and that is not JSON", nil, asItIs)
	}
	v, err := b.Document(raw)
	if err != nil {
		return v, refused("the value cannot be read", err, asItIs)
	}
	return v, nil
}

// Write makes a text a JSON string.
func (JSON) Write(_ context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	switch v.Kind() {
	case pipeline.Opaque:
		return refused("the value is bytes, and those have no JSON form", nil, "set source.format to json or text")
	case pipeline.Text:
		return v.Set(b, nil, pipeline.AppendString(b.Arena.Alloc(len(v.Raw())+2), v.Raw()))
	}
	return nil
}
