package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/penstock-io/penstock/pipeline"
)

// JSONSchemaSettings are the settings of json_schema.
type JSONSchemaSettings struct {
	Schema          string `yaml:"schema" example:"${file:order.schema.json}" doc:"The JSON Schema. Without registry, what values have to fit when they are read and written; with it, what they are written by."`
	SubjectSettings `yaml:",inline"`
}

// Validate finds a schema that is none, and what does not go together.
func (s JSONSchemaSettings) Validate() []pipeline.Problem {
	problems := s.problems(s.Schema != "")
	if s.Schema != "" {
		if _, err := CompileSchema(s.Schema, nil); err != nil {
			problems = append(problems, pipeline.Problem{Field: "schema", What: err.Error(), Do: "see https://json-schema.org/specification"})
		}
	}
	return problems
}

// ValueSchema is a JSON Schema that values can be held against.
type ValueSchema struct{ schema *jsonschema.Schema }

// sealedLoader loads nothing: a schema names those that were handed in.
type sealedLoader struct{}

// Load refuses.
func (sealedLoader) Load(string) (any, error) {
	return nil, errors.New("it names a schema that is not there")
}

// schemaBase is what the names of schemas are relative to. It has a path: a reference
// could not be resolved against a URL without one (RFC 3986, section 5.2).
var schemaBase = &url.URL{Scheme: "penstock", Path: "/"}

// CompileSchema makes a JSON Schema (draft 4 to 2020-12) of its text and those that it
// names, by their names in $ref: absolute, or relative to the schema or its $id. Nothing
// is read from files or the network; a name of none of them is an error.
func CompileSchema(text string, imports map[string]string) (*ValueSchema, error) {
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(sealedLoader{})
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, errNotJSON
	}
	bases := []*url.URL{schemaBase}
	if id := idOf(document); id != nil {
		bases = append(bases, id)
	}
	for name, other := range imports {
		if err := addSchema(compiler, bases, name, other); err != nil {
			return nil, fmt.Errorf("the schema %s that it names: %w", name, err)
		}
	}
	root := schemaBase.JoinPath("schema").String()
	if err := compiler.AddResource(root, document); err != nil {
		return nil, err
	}
	schema, err := compiler.Compile(root)
	if err != nil {
		return nil, fmt.Errorf("it is no JSON Schema: %w", err)
	}
	return &ValueSchema{schema}, nil
}

var errNotJSON = errors.New("it is not JSON")

// idOf gives the $id of a schema where that is absolute, or nil.
func idOf(document any) *url.URL {
	fields, _ := document.(map[string]any)
	text, _ := fields["$id"].(string)
	if id, err := url.Parse(text); err == nil && id.IsAbs() {
		return id
	}
	return nil
}

// addSchema adds one under its name, seen from each base.
func addSchema(compiler *jsonschema.Compiler, bases []*url.URL, name, text string) error {
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return errNotJSON
	}
	added := map[string]bool{}
	for _, base := range bases {
		at, err := base.Parse(name)
		if err != nil {
			return err
		}
		if added[at.String()] {
			continue
		}
		added[at.String()] = true
		if err := compiler.AddResource(at.String(), document); err != nil {
			return err
		}
	}
	return nil
}

// Check says where in the schema a value is refused, and nothing of the value.
func (s *ValueSchema) Check(n pipeline.Node) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(n.Raw()))
	if err != nil {
		return err
	}
	err = s.schema.Validate(value)
	wrong, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	for len(wrong.Causes) > 0 {
		wrong = wrong.Causes[0]
	}
	_, at, _ := strings.Cut(wrong.SchemaURL, "#")
	if path := wrong.ErrorKind.KeywordPath(); len(path) > 0 {
		at += "/" + strings.Join(path, "/")
	}
	return errors.New("the schema refuses it at " + at)
}

// JSONSchema is JSON that fits a JSON Schema, as texts alone or in Confluent's wire
// format.
type JSONSchema struct {
	schema   *ValueSchema // nil: values say by which schema they were written
	registry *compiled[*ValueSchema]
	subject  string
}

// NewJSONSchema makes the format, with the registry that its settings name; nil where
// they name none. The error is the first that Validate finds.
func NewJSONSchema(s JSONSchemaSettings, schemas Schemas) (*JSONSchema, error) {
	if problems := s.Validate(); len(problems) > 0 {
		return nil, problems[0]
	}
	f := &JSONSchema{subject: s.Subject}
	if s.Registry == nil {
		var err error
		f.schema, err = CompileSchema(s.Schema, nil)
		return f, err
	}
	f.registry = newCompiled(schemas, func(schema Schema) (*ValueSchema, error) {
		if schema.Type != TypeJSON {
			return nil, fmt.Errorf("it is of type %s, not JSON", schema.Type)
		}
		return CompileSchema(schema.Text, schema.Imports)
	})
	return f, nil
}

// Writable says that a subject is needed to write by a registry.
func (f *JSONSchema) Writable() error { return writable(f.registry != nil, f.subject) }

// Read gives the document.
func (f *JSONSchema) Read(ctx context.Context, b *pipeline.Batch, raw []byte) (pipeline.Value, error) {
	schema := f.schema
	if f.registry != nil {
		id, rest, err := schemaID(raw)
		if err != nil {
			return pipeline.Value{}, err
		}
		if schema, err = f.registry.of(ctx, id); err != nil {
			return pipeline.Value{}, err
		}
		raw = rest
	}
	v, err := JSON{}.Read(ctx, b, raw)
	if err != nil {
		return v, err
	}
	n, _ := v.Root()
	if err := schema.Check(n); err != nil {
		return pipeline.Value{}, unread(err)
	}
	return v, nil
}

// Write leaves the document as it is, behind the id of its schema where there is a
// registry.
func (f *JSONSchema) Write(ctx context.Context, b *pipeline.Batch, v *pipeline.Value) error {
	schema, id := f.schema, 0
	if f.registry != nil {
		var err error
		if schema, id, err = f.registry.toWrite(ctx); err != nil {
			return err
		}
	}
	n, err := root(b, v)
	if err != nil {
		return err
	}
	if err := schema.Check(n); err != nil {
		return refused("the value does not fit the schema", err, "change the record or the schema")
	}
	if f.registry == nil {
		return JSON{}.Write(ctx, b, v)
	}
	text := n.Raw()
	*v = pipeline.RawValue(append(appendSchemaID(b.Arena.Alloc(len(text)+5), id), text...))
	return nil
}
