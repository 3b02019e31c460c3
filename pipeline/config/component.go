package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline"
)

// isComponent says whether a key names a component of a field's kind.
func (d *decoder) isComponent(f field, name string) bool {
	_, ok := d.catalog.find(f.of, name)
	return ok
}

// oneComponent decodes the component among the keys of a mapping; there has to be
// one. found holds keys and values.
func (d *decoder) oneComponent(found []*yaml.Node, v reflect.Value, f field, path string) {
	switch {
	case len(found) == 0:
		d.wrong(d.keyAt(path), path, fmt.Sprintf("%s names no %s", label(path), f.of),
			"write one of "+strings.Join(d.catalog.names(f.of), ", "))
		return
	case len(found) > 2:
		d.wrong(found[2], path, fmt.Sprintf("%s names %s and %s", label(path), found[0].Value, found[2].Value), "keep one")
	}
	for i := 0; i < len(found); i += 2 {
		use := Use{}
		d.component(found[i], found[i+1], &use, f.of, join(path, found[i].Value))
		if i == 0 {
			v.Set(reflect.ValueOf(use))
		}
	}
}

// use decodes a component that is a name alone, or an object with the name as its
// only key.
func (d *decoder) use(n *yaml.Node, use *Use, f field, path string) {
	key, settings := n, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: n.Line, Column: n.Column}
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) == 2:
		key, settings = n.Content[0], n.Content[1]
	case n.Kind != yaml.ScalarNode || !isText(n):
		d.wrong(n, path, fmt.Sprintf("%s has to name one %s, not %s", label(path), f.of, describe(n)),
			"write one of "+strings.Join(d.catalog.names(f.of), ", "))
		return
	}
	if !d.isComponent(f, key.Value) {
		d.wrong(key, path, fmt.Sprintf("unknown %s %s", f.of, quote(key.Value)), suggest(key.Value, d.catalog.names(f.of)))
		return
	}
	d.component(key, settings, use, f.of, join(path, key.Value))
}

// named decodes a component that the settings of another one name.
func (d *decoder) named(n *yaml.Node, named *pipeline.Named, f field, path string) {
	var use Use
	d.use(n, &use, f, path)
	*named = pipeline.Named{Component: use.Component, Settings: use.Settings}
}

// component decodes a component's settings.
func (d *decoder) component(key, n *yaml.Node, use *Use, k kind, path string) {
	d.place(path, key, n)
	n = resolve(n)
	c, _ := d.catalog.find(k, key.Value)
	use.Component, use.At = c.Name, d.src.place(key)
	d.components[use.At] = path
	empty := n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
	if c.Settings == nil {
		if !empty && (n.Kind != yaml.MappingNode || len(n.Content) > 0) {
			d.wrong(n, path, c.Name+" takes no settings", "write "+c.Name+": {}")
		}
		return
	}
	use.Settings = c.Settings()
	v := reflect.ValueOf(use.Settings).Elem()
	if empty {
		n = d.emptySettings(n, v.Type())
	}
	d.value(n, v, field{name: c.Name, typ: v.Type(), example: c.sample()}, path)
	if settings, ok := use.Settings.(interface{ Validate() []pipeline.Problem }); ok {
		d.problems(settings.Validate(), path)
	}
}

// emptySettings makes an object of nothing, where a component takes one.
func (d *decoder) emptySettings(n *yaml.Node, t reflect.Type) *yaml.Node {
	if s := shapeOf(t); s.whole != nil || s.scalar != nil && !s.scalar.hasDefault {
		return n
	}
	return &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
}

// problems notes what a component says of its settings, at the fields it names,
// but not of fields that were found wrong already.
func (d *decoder) problems(problems []pipeline.Problem, path string) {
	for _, problem := range problems {
		at := path
		if problem.Field != "" {
			at = join(path, problem.Field)
		}
		if d.knownBad(at, path) {
			continue
		}
		what := problem.What
		if problem.Field != "" {
			what = problem.Field + ": " + what
		}
		d.failAt(d.nearest(at), what, problem.Do)
	}
}

// knownBad says whether something was wrong at a path, in it, or around it within
// the component.
func (d *decoder) knownBad(path, component string) bool {
	for at := range d.bad {
		inside := at == path || strings.HasPrefix(at, path+".") || strings.HasPrefix(at, path+"[")
		around := strings.HasPrefix(at, component) && (strings.HasPrefix(path, at+".") || strings.HasPrefix(path, at+"["))
		if inside || around {
			return true
		}
	}
	return false
}

// nearest gives the value at a path, or the key of the closest thing around it.
func (d *decoder) nearest(path string) *yaml.Node {
	if p, ok := d.places[path]; ok && p.value != nil && p.value.Line > 0 {
		if p.value.Kind == yaml.ScalarNode {
			return p.value
		}
		return d.keyAt(path)
	}
	if path == "" {
		return d.places[""].value
	}
	return d.nearest(parent(path))
}

// sample is the component's example without its name, where it is one line.
func (c Component) sample() string {
	example := strings.TrimSpace(c.Example)
	if inner, ok := strings.CutPrefix(example, "{"); ok {
		example = strings.TrimSuffix(inner, "}") // a format stands alone in braces
	}
	_, after, _ := strings.Cut(example, c.Name+":")
	if after = strings.TrimSpace(after); strings.Contains(after, "\n") {
		return ""
	}
	return after
}
