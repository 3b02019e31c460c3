package format

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

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
	}
	return problems
}

// registry finds schemas in a schema registry, and keeps what P is made of them: an id
// stands for the same schema for ever. It may be used by several goroutines.
type registry[P any] struct {
	client   *sr.Client
	settings SubjectSettings
	schema   sr.Schema // of the settings; empty: none is written
	compile  func(schema sr.Schema, imports map[string]sr.Schema) (P, error)

	mu      sync.Mutex
	byID    map[int]P
	written *subject // nil: not asked for yet
}

// subject is the schema that values are written by.
type subject struct{ id int }

func newRegistry[P any](s SubjectSettings, schema sr.Schema, compile func(sr.Schema, map[string]sr.Schema) (P, error)) (*registry[P], error) {
	opts := []sr.ClientOpt{sr.URLs(s.Registry.URL.Reveal()), sr.HTTPClient(&http.Client{Timeout: 10 * time.Second}), sr.UserAgent("penstock")}
	if s.Registry.User != "" {
		opts = append(opts, sr.BasicAuth(s.Registry.User, s.Registry.Password.Reveal()))
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, errors.New("the address of the schema registry cannot be used")
	}
	return &registry[P]{client: client, settings: s, schema: schema, compile: compile, byID: map[int]P{}}, nil
}

// away is the error of a registry that gives no answer, or one about something else
// than the schema: the pipeline waits for it.
func (r *registry[P]) away(what string, err error) error {
	class, do := pipeline.Unreachable, "look whether it runs, and at registry.url"
	if answer, ok := errors.AsType[*sr.ResponseError](err); ok {
		class, do = pipeline.Retryable, ""
		err = fmt.Errorf("it answered %d, code %d", answer.StatusCode, answer.ErrorCode)
		switch answer.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			do = "look at registry.user and registry.password, and what they may do"
		case http.StatusConflict:
			err = errors.New("it is not compatible with what the subject has")
			do = "change the schema so that it is, or the subject's compatibility"
		}
	}
	return &pipeline.Error{Class: class, What: "the schema registry: " + what, Err: err, Do: do}
}

// notFound tells whether the registry knows no such thing.
func notFound(err error) bool {
	answer, ok := errors.AsType[*sr.ResponseError](err)
	return ok && answer.StatusCode == http.StatusNotFound
}

// ByID gives what stands for the schema of an id.
func (r *registry[P]) ByID(ctx context.Context, id int) (P, error) {
	r.mu.Lock()
	known, ok := r.byID[id]
	r.mu.Unlock()
	if ok {
		return known, nil
	}
	what := fmt.Sprintf("schema %d", id)
	schema, err := r.client.SchemaByID(ctx, id)
	switch {
	case notFound(err):
		return known, unread(fmt.Errorf("the schema registry has no schema %d, which it names", id))
	case err != nil:
		return known, r.away(what, err)
	}
	return r.keep(ctx, id, schema)
}

// keep compiles a schema, and keeps what comes of it.
func (r *registry[P]) keep(ctx context.Context, id int, schema sr.Schema) (P, error) {
	var none P
	imports := map[string]sr.Schema{}
	if err := r.references(ctx, schema, imports); err != nil {
		return none, err
	}
	compiled, err := r.compile(schema, imports)
	if err != nil {
		return none, refused(fmt.Sprintf("schema %d of the registry cannot be used", id), err, "")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byID[id] = compiled
	return compiled, nil
}

// maxReferences bounds how many other schemas one may name.
const maxReferences = 200

// references finds the schemas that a schema names, and those that they name.
func (r *registry[P]) references(ctx context.Context, schema sr.Schema, found map[string]sr.Schema) error {
	for _, ref := range schema.References {
		if _, known := found[ref.Name]; known {
			continue
		}
		if len(found) == maxReferences {
			return refused(fmt.Sprintf("a schema of the registry names more than %d others", maxReferences), nil, "")
		}
		other, err := r.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return r.away(fmt.Sprintf("version %d of %s", ref.Version, ref.Subject), err)
		}
		found[ref.Name] = other.Schema
		if err := r.references(ctx, other.Schema, found); err != nil {
			return err
		}
	}
	return nil
}

// Written gives the schema that values are written by, and its id. The registry is asked
// once.
func (r *registry[P]) Written(ctx context.Context) (P, int, error) {
	var none P
	r.mu.Lock()
	written := r.written
	r.mu.Unlock()
	if written == nil {
		found, err := r.find(ctx)
		if err != nil {
			return none, 0, err
		}
		// What the subject has is the pipeline's setting: no record can be to blame.
		if _, err := r.keep(ctx, found.ID, found.Schema); err != nil {
			return none, 0, &pipeline.Error{Class: pipeline.Retryable, What: "the schema registry: subject " + r.settings.Subject, Err: err}
		}
		written = &subject{found.ID}
		r.mu.Lock()
		r.written = written
		r.mu.Unlock()
	}
	compiled, err := r.ByID(ctx, written.id)
	return compiled, written.id, err
}

// find asks for the schema of the subject.
func (r *registry[P]) find(ctx context.Context) (sr.SubjectSchema, error) {
	name, what := r.settings.Subject, "subject "+r.settings.Subject
	var found sr.SubjectSchema
	var err error
	switch {
	case r.schema.Schema == "":
		found, err = r.client.SchemaByVersion(ctx, name, -1)
	case r.settings.Register:
		found, err = r.client.CreateSchema(ctx, name, r.schema)
	default:
		found, err = r.client.LookupSchema(ctx, name, r.schema)
	}
	switch {
	case notFound(err):
		return found, &pipeline.Error{Class: pipeline.Retryable, What: "the schema registry: " + what + " is not there, or has no such schema",
			Do: "register the schema first, or write register: true beside schema"}
	case err != nil:
		return found, r.away(what, err)
	}
	if r.schema.Schema != "" {
		found.Schema = r.schema
	}
	return found, nil
}

// confluent is Confluent's wire format: a zero byte, the id of the schema, the value.
var confluent sr.ConfluentHeader

// schemaID takes the head of a value.
func schemaID(raw []byte) (id int, rest []byte, err error) {
	if id, rest, err = confluent.DecodeID(raw); err != nil {
		return 0, nil, unread(errors.New("it does not begin with the id of a schema"))
	}
	return id, rest, nil
}
