package format

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
)

// CloudEventsSettings are the settings of cloudevents.
type CloudEventsSettings struct {
	Mode   string `yaml:"mode" default:"structured" enum:"structured,binary" doc:"How events are written: the whole event is the value, or its data is the value and its attributes are headers (ce_type, ce_source, …). Both are read."`
	Source string `yaml:"source" example:"/shop" doc:"The source of events that are made of values that are none. Write type too; their id is the record's place, and their time that of the record."`
	Type   string `yaml:"type" example:"com.example.shop.purchase" doc:"The type of events that are made of values that are none."`
}

// Validate finds half of what makes an event.
func (s CloudEventsSettings) Validate() []pipeline.Problem {
	if (s.Source == "") != (s.Type == "") {
		return []pipeline.Problem{{What: "an event has a source and a type, and one of them is missing", Do: "write both, or neither where values are events already"}}
	}
	return nil
}

// CloudEvents is CloudEvents 1.0, in the Kafka protocol binding's structured and binary
// modes (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md).
// A value is the event in its JSON form: {"specversion": "1.0", "id": …, "data": …}.
type CloudEvents struct{ settings CloudEventsSettings }

// NewCloudEvents makes the format. The error is the one that Validate finds.
func NewCloudEvents(s CloudEventsSettings) (*CloudEvents, error) {
	if problems := s.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	return &CloudEvents{s}, nil
}

const (
	contentType    = "content-type"
	structuredType = "application/cloudevents+json"
	attribute      = "ce_"
)

// required are the attributes that every event has (CloudEvents 1.0.2, Required Attributes).
var required = []string{"specversion", "id", "source", "type"}

// checkEvent says what an event lacks.
func checkEvent(v *pipeline.Value) error {
	for _, name := range required {
		n, ok := v.Get(name)
		if !ok || n.Type() != pipeline.JSONString || len(textOf(n)) == 0 {
			return fmt.Errorf("it is no CloudEvent: it has no %s", name)
		}
	}
	return nil
}

// Read gives an event of structured mode.
func (f *CloudEvents) Read(ctx context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	v, err := JSON{}.Read(ctx, b, raw)
	if err != nil {
		return v, err
	}
	if err := checkEvent(&v); err != nil {
		return pipeline.Value{}, unread(err)
	}
	return v, nil
}

// ReadRecord gives the event of a record in either mode: in binary mode its headers are
// the attributes, which it then no longer has.
func (f *CloudEvents) ReadRecord(ctx context.Context, b *pipeline.Batch, r *pipeline.Record) error {
	media, binary := "", false
	for _, h := range r.Headers {
		media = pick(strings.EqualFold(h.Key, contentType), string(h.Value), media)
		binary = binary || h.Key == attribute+"specversion"
	}
	if !binary || strings.HasPrefix(media, "application/cloudevents") {
		v, err := f.Read(ctx, b, r.Value.Raw())
		if err == nil {
			r.Value = v
		}
		return err
	}
	data, err := eventData(ctx, b, r.Value.Raw(), media)
	if err != nil {
		return err
	}
	json := append(b.Arena.Alloc(len(r.Value.Raw())*2+64*len(r.Headers)), '{')
	var others []pipeline.Header
	for _, h := range r.Headers {
		name, ok := strings.CutPrefix(h.Key, attribute)
		switch {
		case strings.EqualFold(h.Key, contentType):
			name = "datacontenttype"
		case !ok:
			others = append(others, h)
			continue
		}
		if !utf8.Valid(h.Value) || !utf8.ValidString(name) {
			return unread(errNotUTF8)
		}
		if len(json) > 1 {
			json = append(json, ',')
		}
		json = pipeline.AppendString(append(pipeline.AppendString(json, name), ':'), h.Value)
	}
	v, err := document(b, append(append(json, data...), '}'))
	if err == nil {
		err = checkEvent(&v)
	}
	if err != nil {
		return unread(err)
	}
	r.Value, r.Headers = v, others
	return nil
}

func pick(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

// eventData gives the data of an event as a field of it: JSON where it says so, a text, or
// base64.
func eventData(ctx context.Context, b *pipeline.Batch, raw []byte, media string) ([]byte, error) {
	isJSON := media == "" || strings.HasPrefix(media, "application/json") || strings.Contains(media, "+json")
	switch {
	case len(raw) == 0:
		return nil, nil
	case isJSON:
		v, err := JSON{}.Read(ctx, b, raw)
		if err != nil {
			return nil, err
		}
		return append([]byte(`,"data":`), v.Raw()...), nil
	case utf8.Valid(raw):
		return pipeline.AppendString([]byte(`,"data":`), raw), nil
	}
	return append(base64.StdEncoding.AppendEncode([]byte(`,"data_base64":"`), raw), '"'), nil
}

// Write makes the event of a value, where only a value is written (in a layer, in a
// field): in structured mode.
func (f *CloudEvents) Write(_ context.Context, _ *pipeline.Batch, v *pipeline.Value) error {
	if v.Kind() != pipeline.Document {
		return refused("the value is no CloudEvent", nil, "read it as json, and make an event of it first")
	}
	if err := checkEvent(v); err != nil {
		return refused("the value cannot be written", err, "make an event of it first: map, or source and type in cloudevents")
	}
	return nil
}

// WriteRecord writes an event, which it makes of the value where settings say of what
// source and type.
func (f *CloudEvents) WriteRecord(ctx context.Context, b *pipeline.Batch, r *pipeline.Record) error {
	v := r.Value
	if f.settings.Source != "" && (v.Kind() != pipeline.Document || checkEvent(&v) != nil) {
		if err := f.event(b, r, &v); err != nil {
			return err
		}
	}
	if err := f.Write(ctx, b, &v); err != nil {
		return err
	}
	if f.settings.Mode == "structured" {
		r.Value = v
		r.Headers = append(without(r.Headers), pipeline.Header{Key: contentType, Value: []byte(structuredType + "; charset=UTF-8")})
		return nil
	}
	return writeBinary(b, r, &v)
}

// event makes an event of a value.
func (f *CloudEvents) event(b *pipeline.Batch, r *pipeline.Record, v *pipeline.Value) error {
	n, err := root(b, v)
	if err != nil {
		return err
	}
	data := n.Raw()
	json := append(b.Arena.Alloc(len(data)+256), `{"specversion":"1.0","id":`...)
	json = pipeline.AppendString(json, b.Shard+"/"+r.Offset.String())
	json = pipeline.AppendString(append(json, `,"source":`...), f.settings.Source)
	json = pipeline.AppendString(append(json, `,"type":`...), f.settings.Type)
	if !r.Time.IsZero() {
		json = append(r.Time.UTC().AppendFormat(append(json, `,"time":"`...), time.RFC3339Nano), '"')
	}
	json = append(json, `,"datacontenttype":"application/json","data":`...)
	return v.Set(b, nil, append(append(json, data...), '}'))
}

// without gives headers but those that say what the value is.
func without(headers []pipeline.Header) []pipeline.Header {
	var others []pipeline.Header
	for _, h := range headers {
		if !strings.EqualFold(h.Key, contentType) && !strings.HasPrefix(h.Key, attribute) {
			others = append(others, h)
		}
	}
	return others
}

// writeBinary makes the attributes headers, and the data the value.
func writeBinary(b *pipeline.Batch, r *pipeline.Record, event *pipeline.Value) error {
	headers, data := without(r.Headers), pipeline.RawValue(nil)
	n, _ := event.Root()
	for name, value := range n.Fields {
		switch {
		case name == "data" && value.Type() == pipeline.JSONString && !jsonData(event):
			data = pipeline.TextValue(value.AppendText(b.Arena.Alloc(len(value.Raw()))))
		case name == "data":
			if err := data.Set(b, nil, value.Raw()); err != nil {
				return err
			}
		case name == "data_base64":
			raw, err := base64.StdEncoding.DecodeString(value.Text())
			if err != nil {
				return refused("the value cannot be written", errors.New("its data_base64 is not base64"), "")
			}
			data = pipeline.RawValue(raw)
		case name == "datacontenttype":
			headers = append(headers, pipeline.Header{Key: contentType, Value: []byte(value.Text())})
		case value.Type() == pipeline.JSONNull:
		case value.Type() == pipeline.JSONObject || value.Type() == pipeline.JSONArray:
			return refused("the value cannot be written", errors.New("an attribute of it is no text, number or bool"), "")
		default:
			headers = append(headers, pipeline.Header{Key: attribute + name, Value: []byte(value.Text())})
		}
	}
	r.Value, r.Headers = data, headers
	return nil
}

// jsonData tells whether the data of an event is JSON, by its content type.
func jsonData(event *pipeline.Value) bool {
	n, ok := event.Get("datacontenttype")
	if !ok || n.Type() != pipeline.JSONString {
		return true
	}
	media := n.Text()
	return strings.HasPrefix(media, "application/json") || strings.Contains(media, "+json")
}
