// Package registry asks a schema registry with Confluent's API
// (https://docs.confluent.io/platform/current/schema-registry/develop/api.html) for the
// schemas that formats read and write by.
package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/format"
)

// Registry is a schema registry, and the subject by whose schema values are written. It
// may be used by several goroutines, and holds nothing that has to be closed.
type Registry struct {
	client   *sr.Client
	settings format.SubjectSettings
	schema   sr.Schema // of the settings; empty: none is written
}

// types are the types of schemas, by their names.
var types = map[string]sr.SchemaType{format.TypeAvro: sr.TypeAvro, format.TypeProtobuf: sr.TypeProtobuf, format.TypeJSON: sr.TypeJSON}

// timeout is how long the registry may take to answer.
const timeout = 10 * time.Second

// New makes the registry that settings name, and connects to nobody. text is the schema
// that values are written by, of a type; empty: the newest of the subject.
func New(s format.SubjectSettings, schemaType, text string) (*Registry, error) {
	opts := []sr.ClientOpt{sr.URLs(s.Registry.URL.Reveal()), sr.HTTPClient(&http.Client{Timeout: timeout}), sr.UserAgent("penstock")}
	if s.Registry.User != "" {
		opts = append(opts, sr.BasicAuth(s.Registry.User, s.Registry.Password.Reveal()))
	}
	client, err := sr.NewClient(opts...)
	if err != nil {
		return nil, errors.New("the address of the schema registry cannot be used")
	}
	return &Registry{client, s, sr.Schema{Schema: text, Type: types[schemaType]}}, nil
}

// ByID gives the schema of an id. Errors: format.ErrNoSchema; any other is of class
// Unreachable or Retryable.
func (r *Registry) ByID(ctx context.Context, id int) (format.Schema, error) {
	schema, err := r.client.SchemaByID(ctx, id)
	switch {
	case notFound(err):
		return format.Schema{}, format.ErrNoSchema
	case err != nil:
		return format.Schema{}, away(fmt.Sprintf("schema %d", id), err)
	}
	return r.whole(ctx, id, schema)
}

// Written gives the schema that values are written by, which it registers where the
// settings say so. Its errors are of class Unreachable or Retryable: no record is to blame.
func (r *Registry) Written(ctx context.Context) (format.Schema, error) {
	found, err := r.find(ctx)
	if err != nil {
		return format.Schema{}, err
	}
	return r.whole(ctx, found.ID, found.Schema)
}

// whole gives a schema with those that it names.
func (r *Registry) whole(ctx context.Context, id int, schema sr.Schema) (format.Schema, error) {
	out := format.Schema{ID: id, Type: schema.Type.String(), Text: schema.Schema, Imports: map[string]string{}}
	return out, r.references(ctx, schema, out.Imports)
}

// find asks for the schema of the subject.
func (r *Registry) find(ctx context.Context) (sr.SubjectSchema, error) {
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
		return found, away(what, err)
	}
	if r.schema.Schema != "" {
		found.Schema = r.schema
	}
	return found, nil
}

// maxReferences bounds how many other schemas one may name.
const maxReferences = 200

// references finds the schemas that a schema names, and those that they name.
func (r *Registry) references(ctx context.Context, schema sr.Schema, found map[string]string) error {
	for _, ref := range schema.References {
		if _, known := found[ref.Name]; known {
			continue
		}
		if len(found) == maxReferences {
			return &pipeline.Error{Class: pipeline.Retryable, What: fmt.Sprintf("the schema registry: a schema names more than %d others", maxReferences)}
		}
		other, err := r.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return away(fmt.Sprintf("version %d of %s", ref.Version, ref.Subject), err)
		}
		found[ref.Name] = other.Schema.Schema
		if err := r.references(ctx, other.Schema, found); err != nil {
			return err
		}
	}
	return nil
}

// away is the error of a registry that gives no answer, or one about something else
// than the schema: the pipeline waits for it.
func away(what string, err error) error {
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
