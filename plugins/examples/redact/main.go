// Command redact is a plugin that masks personal data: whole fields, and what looks like an
// e-mail address, a card number or an IP address in any text of the value.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/sdk"
)

// settings are what a pipeline file says.
type settings struct {
	Fields   []string `yaml:"fields" example:"[user.email, ua]" doc:"Fields to mask, with dots between their names. One that is missing is no error."`
	Patterns []string `yaml:"patterns" enum:"email,card,ip" example:"[email, card]" doc:"What to mask in all texts of the value."`
	With     string   `yaml:"with" default:"***" doc:"What stands there then."`
}

// Validate finds settings that do nothing.
func (s settings) Validate() []pipeline.Problem {
	if len(s.Fields)+len(s.Patterns) == 0 {
		return []pipeline.Problem{{What: "nothing is masked", Do: "write fields, or patterns"}}
	}
	return nil
}

var patterns = map[string]*regexp.Regexp{
	"email": regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)+`),
	"card":  regexp.MustCompile(`\b\d(?:[ -]?\d){12,18}\b`),
	"ip":    regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`),
}

func main() { sdk.Serve(plugin()) }

func plugin() sdk.Plugin[settings] {
	return sdk.Plugin[settings]{
		Name: "redact", Version: "1.0.0", Doc: "Masks personal data, by field and by pattern.",
		Example: "fields: [user.email]\npatterns: [card]\n",
		New:     func(s settings) (sdk.Transform, error) { return sdk.Func(newRedact(s).record), nil },
	}
}

// redact masks records.
type redact struct {
	fields   [][]string
	patterns []*regexp.Regexp
	with     string
}

func newRedact(s settings) *redact {
	r := &redact{with: s.With}
	for _, field := range s.Fields {
		r.fields = append(r.fields, strings.Split(field, "."))
	}
	for _, name := range s.Patterns {
		r.patterns = append(r.patterns, patterns[name])
	}
	return r
}

func (r *redact) record(_ context.Context, record *sdk.Record) ([]*sdk.Record, error) {
	root, _ := record.Get()
	if root.Type() != pipeline.JSONObject {
		return nil, errors.New("the value is no object")
	}
	for _, path := range r.fields {
		if _, ok := record.Get(path...); ok {
			if err := record.Set(r.with, path...); err != nil {
				return nil, err
			}
		}
	}
	if len(r.patterns) == 0 || !slices.ContainsFunc(r.patterns, func(p *regexp.Regexp) bool { return p.Match(record.Raw()) }) {
		return []*sdk.Record{record}, nil
	}
	root, _ = record.Get()
	return []*sdk.Record{record}, r.texts(record, root, nil)
}

// texts masks what patterns find in the texts at and below a node.
func (r *redact) texts(record *sdk.Record, n sdk.Node, path []string) error {
	switch n.Type() {
	case pipeline.JSONObject:
		type field struct {
			name string
			node sdk.Node
		}
		var fields []field
		for name, node := range n.Fields {
			fields = append(fields, field{name, node})
		}
		for _, f := range fields {
			if err := r.texts(record, f.node, append(slices.Clone(path), f.name)); err != nil {
				return err
			}
		}
	case pipeline.JSONString:
		if masked := r.mask(n.Text()); masked != n.Text() {
			return record.Set(masked, path...)
		}
	case pipeline.JSONArray:
		var all any
		in := json.NewDecoder(bytes.NewReader(n.Raw()))
		in.UseNumber() // as they came
		if err := in.Decode(&all); err != nil {
			return err
		}
		return record.Set(r.list(all), path...)
	}
	return nil
}

// list masks the texts of a list, and of what is in it.
func (r *redact) list(value any) any {
	switch value := value.(type) {
	case string:
		return r.mask(value)
	case []any:
		for i := range value {
			value[i] = r.list(value[i])
		}
	case map[string]any:
		for name := range value {
			value[name] = r.list(value[name])
		}
	}
	return value
}

func (r *redact) mask(text string) string {
	for _, pattern := range r.patterns {
		text = pattern.ReplaceAllString(text, r.with)
	}
	return text
}
