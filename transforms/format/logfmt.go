package format

import (
	"bytes"
	"context"
	"errors"
	"unicode/utf8"

	"github.com/go-logfmt/logfmt"

	"github.com/penstock-io/penstock/pipeline"
)

// Logfmt is a line of key=value pairs. All values come as texts, empty where none is
// written. It writes objects of texts, numbers, true, false, and null as an empty text.
type Logfmt struct{}

// Read gives the document.
func (Logfmt) Read(_ context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	if !utf8.Valid(raw) {
		return pipeline.Value{}, unread(errNotUTF8)
	}
	if bytes.ContainsAny(bytes.TrimRight(raw, "\r\n"), "\r\n") {
		return pipeline.Value{}, unread(errors.New("it is more than one line"))
	}
	d := logfmt.NewDecoderSize(bytes.NewReader(raw), len(raw)+1)
	json := append(b.Arena.Alloc(2*len(raw)+16), '{')
	if d.ScanRecord() {
		for d.ScanKeyval() {
			if len(json) > 1 {
				json = append(json, ',')
			}
			json = append(pipeline.AppendString(json, d.Key()), ':')
			json = pipeline.AppendString(json, d.Value())
		}
	}
	if d.Err() != nil {
		return pipeline.Value{}, unread(errors.New("it is not logfmt"))
	}
	return document(b, append(json, '}'))
}

// Write makes the document a line of logfmt, without a line break.
func (Logfmt) Write(_ context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	n, err := root(b, v)
	if err != nil {
		return err
	}
	if n.Type() != pipeline.JSONObject {
		return refused("the value is "+n.Type().String()+", and logfmt holds objects", nil, "hoist it first")
	}
	var out bytes.Buffer
	e := logfmt.NewEncoder(&out)
	for name, value := range n.Fields {
		text := ""
		switch value.Type() {
		case pipeline.JSONObject, pipeline.JSONArray:
			return refused("a field of the value is "+value.Type().String()+", and logfmt holds none", nil, "flatten it first, or drop the field")
		case pipeline.JSONNull:
		default:
			text = value.Text()
		}
		if err := e.EncodeKeyval(name, text); err != nil {
			return refused("the name of a field cannot be a key of logfmt", nil, "rename it first: no spaces, quotes or =")
		}
	}
	*v = pipeline.TextValue(out.Bytes())
	return nil
}
