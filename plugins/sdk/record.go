package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/wire"
)

// Header is one header of a record. Order and duplicates are kept.
type Header = pipeline.Header

// Node is a value in a JSON document, as it stands there: numbers are exact.
type Node = pipeline.Node

// Record is one record. It belongs to the call that has it.
type Record struct {
	batch   *pipeline.Batch
	decoded bool

	key     []byte // nil: none
	value   pipeline.Value
	topic   string
	headers []Header
	time    int64 // Unix milliseconds
	changed wire.Parts
	valued  bool // the value may be another one
	cloned  bool
}

// Key gives the key, nil where there is none.
func (r *Record) Key() []byte { return r.key }

// SetKey gives the record another key; nil: none. It is not copied.
func (r *Record) SetKey(key []byte) { r.key, r.changed = key, r.changed|wire.NewKey }

// Raw gives the value as bytes: where values are Decoded, as JSON text.
func (r *Record) Raw() []byte { return r.value.Raw() }

// SetRaw gives the record another value, in bytes: where values are Decoded, JSON text, else
// the error says so. It is not copied.
func (r *Record) SetRaw(value []byte) error {
	if !r.decoded {
		r.value, r.valued = pipeline.RawValue(value), true
		return nil
	}
	v, err := r.batch.Document(value)
	if err != nil {
		return fmt.Errorf("the value is no JSON: %w", err)
	}
	r.value, r.valued = v, true
	return nil
}

// Get gives what stands at a path of names in the value; false: nothing. Without a path it
// is all of the value. Values that are not Decoded have no fields.
func (r *Record) Get(path ...string) (Node, bool) { return r.value.Get(path...) }

// Text gives the text at a path: that of a string, the JSON text of anything else; false:
// there is nothing.
func (r *Record) Text(path ...string) (string, bool) {
	n, ok := r.value.Get(path...)
	if !ok {
		return "", false
	}
	return n.Text(), true
}

// Decode reads what stands at a path into a Go value, as encoding/json does.
func (r *Record) Decode(into any, path ...string) error {
	n, ok := r.value.Get(path...)
	if !ok {
		return errors.New("there is nothing at the path")
	}
	return json.Unmarshal(n.Raw(), into)
}

// Set puts a Go value at a path, as encoding/json writes it: in the place of what is there,
// else behind the other fields; objects on the way are made. Without a path it is all of
// the value. The error says what cannot be written, or what on the way has no fields.
func (r *Record) Set(value any, path ...string) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	r.valued = true
	return r.value.Set(r.batch, path, text)
}

// Delete takes the field at a path away, if it is there.
func (r *Record) Delete(path ...string) error {
	if len(path) == 0 {
		return errors.New("all of the value cannot be deleted")
	}
	r.valued = true
	_, err := r.value.Delete(path)
	return err
}

// Headers gives the headers; the slice must not be changed.
func (r *Record) Headers() []Header { return r.headers }

// Header gives the first header of a name, nil where there is none.
func (r *Record) Header(name string) []byte {
	for _, h := range r.headers {
		if h.Key == name {
			return h.Value
		}
	}
	return nil
}

// SetHeaders gives the record other headers, in the place of all it had. They are not
// copied.
func (r *Record) SetHeaders(headers []Header) {
	r.headers, r.changed = headers, r.changed|wire.NewHeaders
}

// SetHeader gives the record a header, in the place of all of its name.
func (r *Record) SetHeader(name string, value []byte) {
	r.DeleteHeader(name)
	r.SetHeaders(append(r.headers, Header{Key: name, Value: value}))
}

// DeleteHeader takes all headers of a name away.
func (r *Record) DeleteHeader(name string) {
	r.SetHeaders(slices.DeleteFunc(slices.Clone(r.headers), func(h Header) bool { return h.Key == name }))
}

// Topic gives where the record goes; empty: the sink's own topic.
func (r *Record) Topic() string { return r.topic }

// SetTopic says where the record goes; empty: the sink's own topic.
func (r *Record) SetTopic(topic string) { r.topic, r.changed = topic, r.changed|wire.NewTopic }

// Time gives the record's time, to the millisecond.
func (r *Record) Time() time.Time { return time.UnixMilli(r.time) }

// SetTime gives the record another time, to the millisecond.
func (r *Record) SetTime(t time.Time) { r.time, r.changed = t.UnixMilli(), r.changed|wire.NewTime }

// Clone gives another record that is as this one is now: to make several of one.
func (r *Record) Clone() *Record {
	clone := *r
	clone.cloned = true
	raw := slices.Clone(r.value.Raw()) // a view belongs to one value
	if r.value.Kind() == pipeline.Document {
		clone.value = pipeline.Value{}
		_ = clone.value.Set(r.batch, nil, raw) // it is JSON already, and all of the value
	} else {
		clone.value = pipeline.RawValue(raw)
	}
	clone.valued, clone.changed = true, r.changed
	return &clone
}

// wire gives the record as an answer says it: the parts that are others now.
func (r *Record) wire() wire.Record {
	out := wire.Record{Parts: r.changed, Time: r.time}
	if r.changed&wire.NewKey != 0 && r.key != nil {
		out.Parts, out.Key = out.Parts|wire.HasKey, r.key
	}
	if r.valued {
		out.Parts, out.Value = out.Parts|wire.NewValue, r.value.Raw()
	}
	if r.changed&wire.NewTopic != 0 {
		out.Topic = []byte(r.topic)
	}
	if r.changed&wire.NewHeaders != 0 {
		for _, h := range r.headers {
			out.Headers = append(out.Headers, wire.Header{Name: []byte(h.Key), Value: h.Value})
		}
	}
	return out
}

// same tells whether nothing about the record was changed.
func (r *Record) same() bool { return r.changed == 0 && !r.valued && !r.cloned }
