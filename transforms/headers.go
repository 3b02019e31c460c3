package transforms

import (
	"context"
	"path"
	"slices"

	"github.com/penstock-io/penstock/pipeline"
)

// HeadersSettings are the settings of headers.
type HeadersSettings struct {
	Keep []string                       `yaml:"keep" example:"[\"trace*\"]" doc:"Names that stay; all others go. * ? and [ match many."`
	Drop []string                       `yaml:"drop" example:"[cookie, \"x-*\"]" doc:"Names that go, written as in keep."`
	Set  map[string]pipeline.Expression `yaml:"set" example:"{user: value.user_id}" doc:"Expressions by name, after keep and drop: each takes the place of all headers of its name. null, and an optional without a value, takes them away."`
}

// Validate finds patterns that are none, and settings that do nothing.
func (s HeadersSettings) Validate() []pipeline.Problem {
	var problems []pipeline.Problem
	for field, patterns := range map[string][]string{"keep": s.Keep, "drop": s.Drop} {
		for _, p := range patterns {
			if _, err := path.Match(p, ""); err != nil {
				problems = append(problems, pipeline.Problem{Field: field, What: p + " is no pattern", Do: "close what [ opens"})
			}
		}
	}
	if len(s.Keep)+len(s.Drop)+len(s.Set) == 0 {
		problems = append(problems, pipeline.Problem{What: "it changes nothing", Do: "write keep, drop or set"})
	}
	return problems
}

// Headers takes headers away by their names, and writes others.
type Headers struct {
	keep, drop []string
	set        *Compute
}

// NewHeaders makes one. The error is the first that Validate finds, or of an expression.
func NewHeaders(s HeadersSettings) (*Headers, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	values := map[string]pipeline.Expression{}
	for name, value := range s.Set {
		values["headers["+string(pipeline.AppendString(nil, name))+"]"] = value
	}
	set, err := NewCompute(ComputeSettings{values})
	return &Headers{s.Keep, s.Drop, set}, err
}

// Apply takes headers away, and writes those of set then. An error of an expression is
// one of the record.
func (h *Headers) Apply(ctx context.Context, b *pipeline.Batch) error {
	if len(h.keep)+len(h.drop) > 0 {
		for r := range b.Live {
			if slices.ContainsFunc(r.Headers, h.goes) {
				r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), h.goes) // they may be shared between records
			}
		}
	}
	return h.set.Apply(ctx, b)
}

func (h *Headers) goes(header pipeline.Header) bool {
	matches := func(pattern string) bool {
		yes, _ := path.Match(pattern, header.Key) // Validate has seen to the error
		return yes
	}
	return len(h.keep) > 0 && !slices.ContainsFunc(h.keep, matches) || slices.ContainsFunc(h.drop, matches)
}
