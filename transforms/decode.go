package transforms

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
)

// FieldFormatSettings are the settings of decode and encode.
type FieldFormatSettings struct {
	Field  string         `yaml:"field" required:"true" path:"true" example:"value.body" doc:"The field, or value for all of it."`
	Format pipeline.Named `yaml:"format" of:"format" default:"json" example:"{base64: json}" doc:"The format, as in source and sink."`
}

// Validate finds what is no field.
func (s FieldFormatSettings) Validate() []pipeline.Problem { return fieldProblems("field", s.Field) }

// Decode reads the text of a field in a format.
type Decode struct {
	path   string
	names  []string
	format pipeline.Format
}

// NewDecode makes a decode by a format. The error is the first that Validate finds.
func NewDecode(s FieldFormatSettings, f pipeline.Format) (*Decode, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	names, err := parseField(s.Field)
	return &Decode{s.Field, names, f}, err
}

// Apply replaces the text of the field by what it stands for.
func (d *Decode) Apply(ctx context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		if err := atField(r, d.path, d.record(ctx, b, r)); err != nil {
			return err
		}
	}
	return nil
}

// atField makes an error the record's, at the field; what is about the batch it gives.
func atField(r *pipeline.Record, path string, err error) error {
	if err == nil || pipeline.ClassOf(err) != pipeline.Permanent {
		return err
	}
	r.Fail(&pipeline.Error{Class: pipeline.Permanent, What: path, Err: err})
	return nil
}

func (d *Decode) record(ctx context.Context, b *pipeline.Batch, r *pipeline.Record) error {
	raw := r.Value.Raw()
	if r.Value.Kind() == pipeline.Document {
		n, ok := r.Value.Get(d.names...)
		if !ok {
			return &pipeline.Error{Class: pipeline.Permanent, What: errMissing.Error(), Do: "test it first in when:, or mend what writes the record"}
		}
		if n.Type() != pipeline.JSONString {
			return &pipeline.Error{Class: pipeline.Permanent, What: "it is " + n.Type().String() + ", not a text", Do: "test it first in when:"}
		}
		raw = n.AppendText(b.Arena.Alloc(len(n.Raw())))
	} else if len(d.names) > 0 {
		return &pipeline.Error{Class: pipeline.Permanent, What: "value is " + r.Value.Kind().String() + " and has no fields", Do: "set source.format to json"}
	}
	v, err := d.format.Read(ctx, b, raw)
	if err != nil {
		return err
	}
	if len(d.names) == 0 {
		r.Value = v
		return nil
	}
	json, err := textJSON(b, &v)
	if err != nil {
		return err
	}
	return r.Value.Set(b, d.names, json)
}

// textJSON gives a value as JSON; bytes that are a text are one.
func textJSON(b *pipeline.Batch, v *pipeline.Value) ([]byte, error) {
	if v.Kind() == pipeline.Opaque {
		if !utf8.Valid(v.Raw()) {
			return nil, &pipeline.Error{Class: pipeline.Permanent, What: "its bytes are no text, and JSON holds no bytes", Do: "put base64 around the format: {base64: gzip}"}
		}
		*v = pipeline.TextValue(v.Raw())
	}
	return jsonOf(b, v)
}

// Encode writes a field in a format, as a text.
type Encode struct {
	path   string
	names  []string
	format pipeline.Format
}

// NewEncode makes an encode by a format that can write. The error is the first that
// Validate finds.
func NewEncode(s FieldFormatSettings, f pipeline.Format) (*Encode, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	if w, ok := f.(pipeline.Writable); ok {
		if err := w.Writable(); err != nil {
			return nil, err
		}
	}
	names, err := parseField(s.Field)
	return &Encode{s.Field, names, f}, err
}

// Apply replaces the field by the text that it is in the format.
func (e *Encode) Apply(ctx context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		if err := atField(r, e.path, e.record(ctx, b, r)); err != nil {
			return err
		}
	}
	return nil
}

func (e *Encode) record(ctx context.Context, b *pipeline.Batch, r *pipeline.Record) error {
	if len(e.names) == 0 {
		v := r.Value
		if err := e.format.Write(ctx, b, &v); err != nil {
			return err
		}
		r.Value = v
		return nil
	}
	n, ok := r.Value.Get(e.names...)
	if !ok {
		return &pipeline.Error{Class: pipeline.Permanent, Err: errors.New("it is missing"), What: "nothing to write", Do: "test it first in when:, or mend what writes the record"}
	}
	var v pipeline.Value
	if n.Type() == pipeline.JSONString { // a text is written as it is, and not in its quotes
		v = pipeline.TextValue(n.AppendText(b.Arena.Alloc(len(n.Raw()))))
	} else if err := v.Set(b, nil, n.Raw()); err != nil {
		return err
	}
	if err := e.format.Write(ctx, b, &v); err != nil {
		return err
	}
	raw := v.Raw()
	if !utf8.Valid(raw) {
		return &pipeline.Error{Class: pipeline.Permanent, What: "its bytes are no text, and JSON holds no bytes", Do: "put base64 around the format: {base64: msgpack}"}
	}
	return r.Value.Set(b, e.names, pipeline.AppendString(b.Arena.Alloc(len(raw)+2), raw))
}
