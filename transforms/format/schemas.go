package format

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/penstock-io/penstock/pipeline"
)

// RegistrySettings say where a schema registry with Confluent's API is.
type RegistrySettings struct {
	URL      pipeline.Secret `yaml:"url" required:"true" example:"http://localhost:8081" doc:"The address of the schema registry."`
	User     string          `yaml:"user" doc:"The user, where it asks for one."`
	Password pipeline.Secret `yaml:"password" doc:"The user's password."`
}

// SubjectSettings are the settings of what is written by a schema of a registry.
type SubjectSettings struct {
	Registry *RegistrySettings `yaml:"registry" example:"{url: http://localhost:8081}" doc:"The schema registry. Values then begin with a zero byte and the id of their schema (Confluent's wire format)."`
	Subject  string            `yaml:"subject" example:"user_behavior_topic-value" doc:"With registry, to write: the subject whose schema values are written by; its newest version, where schema says no other."`
	Register bool              `yaml:"register" doc:"Register schema under subject where it is not there."`
}

// problems finds what does not go together; schema: a schema is written too.
func (s SubjectSettings) problems(schema bool) []pipeline.Problem {
	var problems []pipeline.Problem
	refuse := func(field, what, do string) {
		problems = append(problems, pipeline.Problem{Field: field, What: what, Do: do})
	}
	switch {
	case s.Registry == nil && !schema:
		refuse("", "nothing says what the schema is", "write schema, or registry")
	case s.Registry == nil && s.Subject != "":
		refuse("subject", "there is no registry to ask", "write registry: {url: http://localhost:8081}, or remove subject")
	case s.Registry == nil && s.Register:
		refuse("register", "there is no registry to register at", "write registry: {url: http://localhost:8081}, or remove register")
	case s.Registry != nil && schema && s.Subject == "":
		refuse("schema", "values say by which schema they were written, and this one is of no subject", "write subject too, or remove schema")
	case s.Register && !schema:
		refuse("register", "there is no schema to register", "write schema")
	}
	if s.Registry != nil {
		if url := s.Registry.URL.Reveal(); !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
			refuse("registry.url", "it is no http:// or https:// address", "write registry: {url: http://localhost:8081}")
		}
		if s.Registry.User == "" && s.Registry.Password != "" {
			refuse("registry.password", "it is the password of no user", "write user too, or remove password")
		}
	}
	return problems
}

// The types of schemas.
const (
	TypeAvro     = "AVRO"
	TypeProtobuf = "PROTOBUF"
	TypeJSON     = "JSON"
)

// Schema is a schema of a registry.
type Schema struct {
	ID      int
	Type    string
	Text    string
	Imports map[string]string // the schemas that it names, and those that they name
}

// ErrNoSchema is what Schemas.ByID says of an id that is no schema's.
var ErrNoSchema = errors.New("the schema registry has no such schema")

// Schemas is a schema registry. Both methods may be called from several goroutines at
// once.
type Schemas interface {
	// ByID gives the schema of an id. Errors: ErrNoSchema; any other is about the
	// registry, and of a class that passes.
	ByID(ctx context.Context, id int) (Schema, error)
	// Written gives the schema that values are written by. Its errors are about the
	// registry or the settings, and of a class that passes.
	Written(ctx context.Context) (Schema, error)
}

// compiled keeps what P is made of the schemas of a registry: an id stands for the same
// schema for ever. It may be used by several goroutines.
type compiled[P any] struct {
	schemas Schemas
	compile func(Schema) (P, error)

	mu      sync.Mutex
	byID    map[int]P
	written int // the id of the schema that values are written by; 0: not asked for yet
}

func newCompiled[P any](schemas Schemas, compile func(Schema) (P, error)) *compiled[P] {
	return &compiled[P]{schemas: schemas, compile: compile, byID: map[int]P{}}
}

// of gives what stands for the schema of an id.
func (c *compiled[P]) of(ctx context.Context, id int) (P, error) {
	c.mu.Lock()
	known, ok := c.byID[id]
	c.mu.Unlock()
	if ok {
		return known, nil
	}
	schema, err := c.schemas.ByID(ctx, id)
	switch {
	case errors.Is(err, ErrNoSchema):
		return known, unread(fmt.Errorf("the schema registry has no schema %d, which it names", id))
	case err != nil:
		return known, err
	}
	if known, err = c.keep(schema); err != nil {
		return known, refused(fmt.Sprintf("schema %d of the registry cannot be used", id), err, "")
	}
	return known, nil
}

// keep compiles a schema, and keeps what comes of it.
func (c *compiled[P]) keep(schema Schema) (P, error) {
	made, err := c.compile(schema)
	if err != nil {
		return made, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byID[schema.ID] = made
	return made, nil
}

// toWrite gives what stands for the schema that values are written by, and its id. The
// registry is asked once. What is wrong with that schema is no record's fault.
func (c *compiled[P]) toWrite(ctx context.Context) (P, int, error) {
	c.mu.Lock()
	id, made := c.written, c.byID[c.written]
	c.mu.Unlock()
	if id > 0 {
		return made, id, nil
	}
	schema, err := c.schemas.Written(ctx)
	if err != nil {
		return made, 0, err
	}
	if made, err = c.keep(schema); err != nil {
		return made, 0, &pipeline.Error{Class: pipeline.Retryable, What: fmt.Sprintf("schema %d, by which values are written, cannot be used", schema.ID), Err: err}
	}
	c.mu.Lock()
	c.written = schema.ID
	c.mu.Unlock()
	return made, schema.ID, nil
}

// appendSchemaID appends the head of Confluent's wire format: a zero byte, and the id of
// the schema.
func appendSchemaID(dst []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0), uint32(id))
}

// schemaID takes the head of a value.
func schemaID(raw []byte) (id int, rest []byte, err error) {
	if len(raw) < 5 || raw[0] != 0 {
		return 0, nil, unread(errors.New("it does not begin with the id of a schema"))
	}
	return int(binary.BigEndian.Uint32(raw[1:])), raw[5:], nil
}
