// Package format reads the bytes of values when they come, and writes them when
// they go. A Reader is the first transform of a pipeline, a Writer the last; each has
// a pipeline.Format, and a file of this package holds one format, or several of a kind.
//
// Between them a value is bytes, text, or a document (JSON text). So each format but
// bytes and text is a way from its bytes to JSON text and one back, which lose nothing:
// numbers stay exact, fields keep their order. What the format has and JSON has not
// (bytes, times, NaN) gets a form in JSON that the way back understands.
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
	"bytes"
	"context"

	"github.com/penstock-io/penstock/pipeline"
)

// Reader reads values that nothing has read yet.
type Reader struct{ format pipeline.Format }

// NewReader makes the reader of a format.
func NewReader(f pipeline.Format) *Reader { return &Reader{f} }

// Apply reads the values of b. A record without one stays without. Those that do not fit the format are errors of
// their records; those that are read already (entries of a stream) stay.
func (r *Reader) Apply(ctx context.Context, b *pipeline.Batch) error {
	for record := range b.Live {
		if record.Value.Kind() != pipeline.Opaque || none(&record.Value) {
			continue
		}
		err := r.read(ctx, b, record)
		if err != nil && pipeline.ClassOf(err) != pipeline.Permanent {
			return err
		}
		if err != nil {
			record.Fail(err)
		}
	}
	return nil
}

func (r *Reader) read(ctx context.Context, b *pipeline.Batch, record *pipeline.Record) error {
	if f, ok := r.format.(pipeline.RecordFormat); ok {
		return f.ReadRecord(ctx, b, record)
	}
	v, err := r.format.Read(ctx, b, record.Value.Raw())
	if err == nil {
		record.Value = v
	}
	return err
}

// Writer writes values, and seals the batch.
type Writer struct{ format pipeline.Format }

// NewWriter makes the writer of a format; nil: values go out as they came.
func NewWriter(f pipeline.Format) *Writer { return &Writer{f} }

// Apply writes the values of b, and seals it. A record without a value stays without.
// Values that the format cannot hold
// are errors of their records.
func (w *Writer) Apply(ctx context.Context, b *pipeline.Batch) error {
	if w.format != nil {
		for record := range b.Live {
			if none(&record.Value) {
				continue
			}
			err := w.write(ctx, b, record)
			if err == nil {
				continue
			}
			if pipeline.ClassOf(err) != pipeline.Permanent {
				return err
			}
			record.Fail(err)
		}
	}
	b.Seal()
	return nil
}

func (w *Writer) write(ctx context.Context, b *pipeline.Batch, record *pipeline.Record) error {
	if f, ok := w.format.(pipeline.RecordFormat); ok {
		return f.WriteRecord(ctx, b, record)
	}
	return w.format.Write(ctx, b, &record.Value)
}

// none tells whether a record has no value at all: a tombstone. It has none in any
// format.
func none(v *pipeline.Value) bool { return v.Kind() == pipeline.Opaque && v.Raw() == nil }

// refused is an error of one value.
func refused(what string, err error, do string) error {
	return &pipeline.Error{Class: pipeline.Permanent, What: what, Err: err, Do: do}
}

// unread is the error of bytes that are not of a format.
func unread(err error) error {
	return refused("the value cannot be read", err, "set source.format to what it is; text or bytes take it as it is")
}

// root gives the document that a format is to write; a text is a JSON string.
func root(b *pipeline.Batch, v *pipeline.Value) (pipeline.Node, error) {
	switch v.Kind() {
	case pipeline.Text:
		text := pipeline.Value{}
		raw := v.Raw()
		if err := text.Set(b, nil, pipeline.AppendString(b.Arena.Alloc(len(raw)+2), raw)); err != nil {
			return pipeline.Node{}, err
		}
		n, _ := text.Root()
		return n, nil
	case pipeline.Document:
		n, _ := v.Root()
		return n, nil
	}
	return pipeline.Node{}, refused("the value is bytes, and has no fields that could be written", nil, "set source.format to what the value is")
}

// textOf gives the text of a JSON string; it may lie in the string itself.
func textOf(n pipeline.Node) []byte {
	raw := n.Raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1]
	}
	return n.AppendText(nil)
}

// document makes a value of JSON text that a format wrote, for which it vouches.
func document(b *pipeline.Batch, json []byte) (pipeline.Value, error) {
	var v pipeline.Value
	err := v.Set(b, nil, json)
	return v, err
}
