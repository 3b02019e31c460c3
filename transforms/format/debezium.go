package format

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/penstock-io/penstock/pipeline"
)

// DebeziumSettings are the settings of debezium.
type DebeziumSettings struct {
	Of      pipeline.Named `yaml:"of,scalar" of:"format" default:"json" example:"json" doc:"The format of the envelope."`
	Deletes string         `yaml:"deletes" default:"mark" enum:"mark,tombstone" doc:"What a deleted row is: the row as it was, with __deleted, or no value at all, which Kafka takes for the end of the key."`
	Add     []string       `yaml:"add" example:"[op, source.table]" doc:"Parts of the envelope to put into the row, as __op and __source_table."`
}

// Debezium takes the envelope of change events apart (Debezium, Change Event Format): the
// value is the row after the change. It writes nothing.
type Debezium struct {
	settings DebeziumSettings
	inner    pipeline.Format
	add      [][]string
}

// NewDebezium makes the format around that of the envelope.
func NewDebezium(s DebeziumSettings, inner pipeline.Format) *Debezium {
	f := &Debezium{settings: s, inner: inner}
	for _, path := range s.Add {
		f.add = append(f.add, strings.Split(path, "."))
	}
	return f
}

// Read gives the row.
func (f *Debezium) Read(ctx context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	v, err := f.inner.Read(ctx, b, raw)
	if err != nil {
		return v, err
	}
	envelope, ok := v.Root()
	if payload, there := v.Get("payload"); there { // with the schema beside it
		envelope, ok = payload, true
	}
	op := ""
	if ok {
		op = textField(envelope, "op")
	}
	state := "after"
	switch op {
	case "c", "u", "r":
	case "d":
		state = "before"
		if f.settings.Deletes == "tombstone" {
			return pipeline.RawValue(nil), nil
		}
	default:
		return pipeline.Value{}, unread(errors.New("it is no change of a row: it has no op of c, u, r or d"))
	}
	row, ok := envelope.Get(state)
	if !ok || row.Type() != pipeline.JSONObject {
		return pipeline.Value{}, unread(fmt.Errorf("its %s is no row", state))
	}
	out, err := document(b, row.Raw())
	if err != nil {
		return out, err
	}
	return out, f.mark(b, &out, envelope, op)
}

// mark puts what is asked for of the envelope into the row.
func (f *Debezium) mark(b *pipeline.Batch, row *pipeline.Value, envelope pipeline.Node, op string) error {
	if f.settings.Deletes == "mark" {
		deleted := "false"
		if op == "d" {
			deleted = "true"
		}
		if err := row.Set(b, []string{"__deleted"}, []byte(deleted)); err != nil {
			return err
		}
	}
	for _, path := range f.add {
		n, ok := envelope, true
		for _, name := range path {
			if n, ok = n.Get(name); !ok {
				break
			}
		}
		if !ok {
			continue
		}
		if err := row.Set(b, []string{"__" + strings.Join(path, "_")}, n.Raw()); err != nil {
			return err
		}
	}
	return nil
}

// Write refuses every value.
func (f *Debezium) Write(context.Context, *pipeline.Batch, *pipeline.Value) error {
	return f.Writable()
}

// Writable says that it is only for reading.
func (f *Debezium) Writable() error {
	return refused("this format is only read, not written", nil, "write another one in sink.format")
}
