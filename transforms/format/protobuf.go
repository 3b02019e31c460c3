package format

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/penstock-io/penstock/pipeline"
)

// ProtobufSettings are the settings of protobuf.
type ProtobufSettings struct {
	Schema          string            `yaml:"schema" example:"${file:order.proto}" doc:"The .proto file. Without registry, what values are read and written by; with it, what they are written by."`
	Imports         map[string]string `yaml:"imports" example:"{common.proto: '${file:common.proto}'}" doc:"The files that it imports, by the names it imports them by; those of google/protobuf are there."`
	Message         string            `yaml:"message" example:"shop.Order" doc:"The message that a value is; the first of the file, where none is written. With registry, that of the values that are written."`
	SubjectSettings `yaml:",inline"`
	UnknownFields   string `yaml:"unknown_fields" default:"refuse" enum:"refuse,drop" doc:"What to do, on the way out, with a record that has a field which the schema has not: refuse it, or leave the field out."`
}

// Validate finds a schema that is none, and what does not go together.
func (s ProtobufSettings) Validate() []pipeline.Problem {
	problems := s.problems(s.Schema != "")
	switch {
	case s.Schema != "":
		if _, err := parseProto(s.Schema, s.Imports, s.Message); err != nil {
			problems = append(problems, pipeline.Problem{Field: "schema", What: "it cannot be used: " + err.Error(), Do: "see https://protobuf.dev/programming-guides/proto3/"})
		}
	case len(s.Imports) > 0:
		problems = append(problems, pipeline.Problem{Field: "imports", What: "there is no schema that could import them", Do: "write schema, or remove imports"})
	}
	if s.Registry != nil && len(s.Imports) > 0 {
		problems = append(problems, pipeline.Problem{Field: "imports", What: "a schema of a registry names subjects, not files", Do: "register the schema with its references first, and remove schema and imports"})
	}
	return problems
}

// Protobuf is Protocol Buffers, as messages alone or in Confluent's wire format. Fields
// have the names of the file; those that the file gives no presence are always there.
// 64 bits are numbers, enums their names, bytes base64, NaN and infinities texts;
// Timestamp, Duration, Struct, Value, ListValue and the wrappers are as in ProtoJSON.
// Fields that the schema does not know are not read.
type Protobuf struct {
	plan     *protoMessage // nil: values say by which schema they were written
	registry *compiled[protoreflect.FileDescriptor]
	settings ProtobufSettings
	planned  *plans
	readers  sync.Pool // of *protoReader, for the memory they have
	writer   protoWriter
}

// NewProtobuf makes the format, with the registry that its settings name; nil where they
// name none. The error is the first that Validate finds.
func NewProtobuf(s ProtobufSettings, schemas Schemas) (*Protobuf, error) {
	if problems := s.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	f := &Protobuf{settings: s, writer: protoWriter{s.UnknownFields == "drop"}, planned: &plans{made: map[planKey]planOf{}}, readers: sync.Pool{New: func() any { return new(protoReader) }}}
	if s.Registry == nil {
		var err error
		f.plan, err = parseProto(s.Schema, s.Imports, s.Message)
		return f, err
	}
	f.registry = newCompiled(schemas, compileProtobuf)
	return f, nil
}

func parseProto(text string, imports map[string]string, message string) (*protoMessage, error) {
	file, err := compileProto(text, imports)
	if err != nil {
		return nil, err
	}
	d, err := findMessage(file, message)
	if err != nil {
		return nil, err
	}
	return planProto(d)
}

// compileProtobuf compiles a schema of a registry.
func compileProtobuf(schema Schema) (protoreflect.FileDescriptor, error) {
	if schema.Type != TypeProtobuf {
		return nil, fmt.Errorf("it is of type %s, not Protobuf", schema.Type)
	}
	return compileProto(schema.Text, schema.Imports)
}

// Writable says that a subject is needed to write by a registry.
func (f *Protobuf) Writable() error { return writable(f.registry != nil, f.settings.Subject) }

// Read gives the document.
func (f *Protobuf) Read(ctx context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	plan := f.plan
	if f.registry != nil {
		id, rest, err := schemaID(raw)
		if err != nil {
			return pipeline.Value{}, err
		}
		file, err := f.registry.of(ctx, id)
		if err != nil {
			return pipeline.Value{}, err
		}
		index, rest, err := messageIndex(rest)
		if err != nil {
			return pipeline.Value{}, unread(err)
		}
		d, err := messageAt(file, index)
		if err != nil {
			return pipeline.Value{}, unread(err)
		}
		if plan, err = f.planned.of(id, d); err != nil {
			return pipeline.Value{}, unread(err)
		}
		raw = rest
	}
	r := f.readers.Get().(*protoReader)
	defer f.readers.Put(r)
	*r = protoReader{found: r.found[:0], most: mostJSON(raw)}
	json := r.message(b.Arena.Alloc(4*len(raw)+256), raw, plan, 0)
	if r.err != nil {
		return pipeline.Value{}, unread(r.err)
	}
	return document(b, json)
}

// Write makes the document a message.
func (f *Protobuf) Write(ctx context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	n, err := root(b, v)
	if err != nil {
		return err
	}
	plan, out := f.plan, b.Arena.Alloc(len(n.Raw())+64)
	if f.registry != nil {
		file, id, err := f.registry.toWrite(ctx)
		if err != nil {
			return err
		}
		d, err := findMessage(file, f.settings.Message)
		if err == nil {
			plan, err = f.planned.of(id, d)
		}
		if err != nil { // of the settings, and not of the record
			return &pipeline.Error{Class: pipeline.Retryable, What: "subject " + f.settings.Subject, Err: err, Do: "write message: one that the schema has"}
		}
		out = appendMessageIndex(appendSchemaID(out, id), indexOf(d))
	}
	if out, err = f.writer.message(out, n, plan); err != nil {
		return refused("the value does not fit the schema", err, "change the record or the schema; unknown_fields: drop leaves out what the schema has not")
	}
	*v = pipeline.RawValue(out)
	return nil
}
