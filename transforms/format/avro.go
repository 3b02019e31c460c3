package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"

	"github.com/penstock-io/penstock/pipeline"
)

// AvroSettings are the settings of avro.
type AvroSettings struct {
	Schema          string `yaml:"schema" example:"${file:order.avsc}" doc:"The schema, as JSON. Without registry, what values are read and written by; with it, what they are written by."`
	SubjectSettings `yaml:",inline"`
	UnknownFields   string `yaml:"unknown_fields" default:"refuse" enum:"refuse,drop" doc:"What to do, on the way out, with a record that has a field which the schema has not: refuse it, or leave the field out."`
}

// Validate finds a schema that is none, and what does not go together.
func (s AvroSettings) Validate() []pipeline.Problem {
	problems := s.problems(s.Schema != "")
	if s.Schema != "" {
		if _, err := parseAvro(s.Schema); err != nil {
			problems = append(problems, pipeline.Problem{Field: "schema", What: "it is no Avro schema: " + err.Error(), Do: "see https://avro.apache.org/docs/1.12.0/specification/"})
		}
	}
	return problems
}

func parseAvro(text string) (*avroType, error) {
	schema, err := avro.Parse(text)
	if err != nil {
		return nil, err
	}
	return planAvro(schema)
}

// Avro is Apache Avro 1.12, as values alone or with the id of a schema in a registry.
// bytes and fixed are base64, decimals numbers, times the numbers that they are, NaN and
// infinities texts, and a union the value alone: it is written as the first branch that
// takes it. A field that is missing is its default, or null where it may be. It also
// reads object container files, as the list of their values.
type Avro struct {
	plan     *avroType // nil: values say by which schema they were written
	registry *compiled[*avroType]
	subject  string
	writer   avroWriter
}

// NewAvro makes the format, with the registry that its settings name; nil where they name
// none. The error is the first that Validate finds.
func NewAvro(s AvroSettings, schemas Schemas) (*Avro, error) {
	if problems := s.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	f := &Avro{writer: avroWriter{s.UnknownFields == "drop"}, subject: s.Subject}
	if s.Registry == nil {
		var err error
		f.plan, err = parseAvro(s.Schema)
		return f, err
	}
	f.registry = newCompiled(schemas, compileAvro)
	return f, nil
}

// compileAvro makes the plan of a schema of a registry.
func compileAvro(schema Schema) (*avroType, error) {
	if schema.Type != TypeAvro {
		return nil, fmt.Errorf("it is of type %s, not Avro", schema.Type)
	}
	if len(schema.Imports) == 0 {
		return parseAvro(schema.Text)
	}
	imports := maps.Clone(schema.Imports)
	cache := new(avro.SchemaCache)
	for left := len(imports); left > 0; { // a schema can be parsed once those that it names are
		before := left
		for name, other := range imports {
			if _, err := cache.Parse(other); err == nil {
				delete(imports, name)
				left--
			}
		}
		if left == before {
			return nil, errors.New("a schema that it names cannot be read")
		}
	}
	parsed, err := cache.Parse(schema.Text)
	if err != nil {
		return nil, err
	}
	root := parsed.Root().ExpandReferences()
	p := avroPlanner{named: map[string]*avroType{}}
	return p.plan(root, "")
}

// Writable says that a subject is needed to write by a registry.
func (f *Avro) Writable() error { return writable(f.registry != nil, f.subject) }

// writable says what is missing to write.
func writable(registry bool, subject string) error {
	if registry && subject == "" {
		return refused("nothing says by which schema values are written", nil, "write subject: user_behavior_topic-value beside registry")
	}
	return nil
}

// container is what an object container file begins with.
var container = []byte("Obj\x01")

// Read gives the document.
func (f *Avro) Read(ctx context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	if bytes.HasPrefix(raw, container) {
		return readContainer(b, raw)
	}
	plan := f.plan
	if f.registry != nil {
		id, rest, err := schemaID(raw)
		if err != nil {
			return pipeline.Value{}, err
		}
		if plan, err = f.registry.of(ctx, id); err != nil {
			return pipeline.Value{}, err
		}
		raw = rest
	}
	r := avroReader{rest: raw, most: mostJSON(raw)}
	json := r.value(b.Arena.Alloc(4*len(raw)+256), plan, 0)
	if r.err == nil && len(r.rest) > 0 {
		r.err = errMore
	}
	if r.err != nil {
		return pipeline.Value{}, unread(r.err)
	}
	return document(b, json)
}

// readContainer gives the list of the values of an object container file.
func readContainer(b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	file, err := ocf.NewReader(bytes.NewReader(raw))
	if err != nil {
		return pipeline.Value{}, unread(errors.New("its head as an object container file is damaged"))
	}
	defer file.Close() //nolint:errcheck // it was opened on bytes
	plan, err := planAvro(file.Schema())
	if err != nil {
		return pipeline.Value{}, unread(errors.New("the schema in it cannot be used"))
	}
	json := append(b.Arena.Alloc(4*len(raw)), '[')
	for {
		var value any
		err := file.Decode(&value)
		if errors.Is(err, io.EOF) {
			return document(b, append(json, ']'))
		}
		if err != nil {
			return pipeline.Value{}, unread(errCutShort)
		}
		if len(json) > 1 {
			json = append(json, ',')
		}
		encoded, err := file.Schema().Encode(value)
		if err != nil {
			return pipeline.Value{}, unread(errors.New("a value in it cannot be taken apart"))
		}
		r := avroReader{rest: encoded, most: mostJSON(raw)}
		if json = r.value(json, plan, 0); r.err != nil {
			return pipeline.Value{}, unread(r.err)
		}
	}
}

// Write makes the document Avro.
func (f *Avro) Write(ctx context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	plan, id := f.plan, 0
	if f.registry != nil {
		var err error
		if plan, id, err = f.registry.toWrite(ctx); err != nil {
			return err
		}
	}
	n, err := root(b, v)
	if err != nil {
		return err
	}
	out := b.Arena.Alloc(len(n.Raw()) + 64)
	if f.registry != nil {
		out = appendSchemaID(out, id)
	}
	if out, err = f.writer.value(out, n, plan); err != nil {
		return refused("the value does not fit the schema", err, "change the record or the schema; unknown_fields: drop leaves out what the schema has not")
	}
	*v = pipeline.RawValue(out)
	return nil
}
