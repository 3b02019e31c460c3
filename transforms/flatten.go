package transforms

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/pipeline"
)

// FlattenSettings are the settings of flatten.
type FlattenSettings struct {
	Path      string `yaml:"path" path:"true" default:"value" example:"value.item" doc:"The object whose inner objects are to go: value, or a field of it."`
	Delimiter string `yaml:"delimiter" default:"." example:"_" doc:"What stands between the names in a new name."`
}

// Validate finds what is no field.
func (s FlattenSettings) Validate() []pipeline.Problem { return fieldProblems("path", s.Path) }

// Flatten puts the fields of inner objects into the outer one: {"a":{"b":1}} becomes
// {"a.b":1}. Arrays stay as they are, and so do objects in them and empty objects.
type Flatten struct {
	path      string
	names     []string
	delimiter string
}

// NewFlatten makes a flatten. The error is the first that Validate finds.
func NewFlatten(s FlattenSettings) (*Flatten, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	names, err := parseField(s.Path)
	return &Flatten{s.Path, names, s.Delimiter}, err
}

// Apply flattens. Fields keep their order. What is missing, or no object, is left as it
// is; two fields that would have one name are an error of the record.
func (f *Flatten) Apply(_ context.Context, b *pipeline.Batch) error {
	flat := flattening{delimiter: f.delimiter, seen: map[string]bool{}}
	for r := range b.Live {
		node, ok := r.Value.Get(f.names...)
		if !ok || node.Type() != pipeline.JSONObject {
			continue
		}
		clear(flat.seen)
		flat.text, flat.nests = append(b.Arena.Alloc(2*len(node.Raw())), '{'), false
		err := flat.object(&node, "")
		if err == nil && flat.nests {
			err = r.Value.Set(b, f.names, append(flat.text, '}'))
		}
		if err != nil {
			r.Fail(err)
		}
	}
	return nil
}

// flattening is an object on its way.
type flattening struct {
	delimiter string
	text      []byte
	seen      map[string]bool
	nests     bool // there is something to flatten
}

func (f *flattening) object(n *pipeline.Node, before string) error {
	for name, field := range n.Fields {
		if before != "" {
			name = before + name
		}
		if field.Type() == pipeline.JSONObject && field.Len() > 0 {
			f.nests = true
			if err := f.object(&field, name+f.delimiter); err != nil {
				return err
			}
			continue
		}
		if f.seen[name] {
			return &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("two fields would be named %q", name), Do: "choose another delimiter, or rename one before"}
		}
		f.seen[name] = true
		if len(f.seen) > 1 {
			f.text = append(f.text, ',')
		}
		f.text = append(append(pipeline.AppendString(f.text, name), ':'), field.Raw()...)
	}
	return nil
}
