package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline"
)

// Draft is what a new pipeline file is made of: names of components.
type Draft struct {
	Name         string // of the pipeline
	Source, Sink string
	// Format reads and writes the values; empty: they go through as bytes. A source whose
	// values have fields already takes none.
	Format     string
	Transforms []string // in order
}

// Text writes the file: each setting that is needed with an example, each other one as a
// comment, with what it says and its default. The error says which name is none.
func (d Draft) Text(catalog *Catalog) (string, error) {
	source, err := catalog.named(sources, d.Source)
	if err != nil {
		return "", err
	}
	sink, err := catalog.named(sinks, d.Sink)
	if err != nil {
		return "", err
	}
	w := draft{}
	w.line(0, "name: "+d.Name)
	if best := min(source.Best, sink.Best); best != pipeline.ExactlyOnce {
		w.line(0, "delivery: "+best.String())
	}
	w.line(0, "")
	fields := true
	if d.Format != "" {
		if found, ok := catalog.find(formats, d.Format); ok {
			fields = found.Fields != nil && found.Fields(nil)
		}
	}
	w.line(0, "source:")
	w.component(1, source, fields)
	if d.Format != "" {
		if err := w.use(catalog, d.Format); err != nil {
			return "", err
		}
	}
	if len(d.Transforms) > 0 {
		w.line(0, "")
		w.line(0, "transforms:")
	}
	for _, name := range d.Transforms {
		transform, err := catalog.named(transforms, name)
		if err != nil {
			return "", err
		}
		w.doc(1, transform.Doc)
		for i, line := range strings.Split(strings.TrimRight(transform.Example, "\n"), "\n") {
			w.line(1, [2]string{"- ", "  "}[min(i, 1)]+line)
		}
	}
	w.line(0, "")
	w.line(0, "sink:")
	w.component(1, sink, fields)
	w.rest(source)
	return w.String(), nil
}

// named is find, whose error says what there is.
func (c *Catalog) named(k kind, name string) (Component, error) {
	found, ok := c.find(k, name)
	if !ok {
		return Component{}, fmt.Errorf("there is no %s %s; %s", k, quote(name), suggest(name, c.names(k)))
	}
	return found, nil
}

// draft is a file as it is written.
type draft struct{ strings.Builder }

func (w *draft) line(depth int, text string) {
	w.WriteString(strings.TrimRight(strings.Repeat("  ", depth)+text, " ") + "\n")
}

// doc writes a comment of lines that people can read.
func (w *draft) doc(depth int, text string) {
	first, _, _ := strings.Cut(text, "\n\n")
	line := "#"
	for word := range strings.FieldsSeq(first) {
		if len(line)+len(word) > 96-2*depth {
			w.line(depth, line)
			line = "#"
		}
		line += " " + word
	}
	w.line(depth, line)
}

// use writes the format of the source.
func (w *draft) use(catalog *Catalog, name string) error {
	found, err := catalog.named(formats, name)
	if err != nil {
		return err
	}
	w.doc(1, found.Doc)
	w.line(1, "format: "+strings.TrimRight(found.Example, "\n"))
	return nil
}

// component writes a source or sink. Where values have no fields, expressions over them are
// comments.
func (w *draft) component(depth int, c Component, hasFields bool) {
	w.doc(depth, c.Doc)
	examples := exampleFields(c)
	if c.Settings == nil || examples == nil {
		w.line(depth, strings.TrimRight(c.Example, "\n"))
		return
	}
	fields := shapeOf(reflect.TypeOf(c.Settings()).Elem()).fields
	if !hasFields {
		for _, f := range fields {
			if f.typ == typeExpression {
				delete(examples, f.name)
			}
		}
	}
	if !slices.ContainsFunc(fields, func(f field) bool { return f.text(examples) != "" }) {
		w.line(depth, c.Name+": {}")
	} else {
		w.line(depth, c.Name+":")
	}
	for _, f := range fields {
		if text := f.text(examples); text != "" {
			w.doc(depth+1, f.doc)
			w.line(depth+1, f.name+": "+text)
		}
	}
	var others []string
	for _, f := range fields {
		switch shown := f.shown(); {
		case f.text(examples) != "":
		case shown == "":
			others = append(others, f.name)
		default:
			w.doc(depth+1, f.doc)
			w.line(depth+1, "# "+f.name+": "+shown)
		}
	}
	if len(others) > 0 {
		w.line(depth+1, "# There are "+strings.Join(others, ", ")+" too: see penstock components "+c.Name)
	}
}

// text is what stands behind a setting that is written; empty: it stays a comment.
func (f field) text(examples map[string]string) string {
	switch {
	case strings.Contains(f.example, "${"): // where it is, from the environment
		return f.example
	case examples[f.name] != "":
		return examples[f.name]
	case f.required:
		return f.example
	}
	return ""
}

// shown is what a setting that is a comment shows.
func (f field) shown() string {
	if f.hasDefault && f.def != "" {
		return f.def
	}
	return f.example
}

// exampleFields gives the settings of a component's example, each as YAML in a line; nil:
// it is no object of settings.
func exampleFields(c Component) map[string]string {
	var root yaml.Node
	if yaml.Load([]byte(c.Example), &root) != nil || len(root.Content) != 1 || len(root.Content[0].Content) != 2 {
		return nil
	}
	settings := root.Content[0].Content[1]
	if settings.Kind != yaml.MappingNode {
		return nil
	}
	fields := map[string]string{}
	for i := 0; i+1 < len(settings.Content); i += 2 {
		value := settings.Content[i+1]
		if value.Kind != yaml.ScalarNode {
			value.Style = yaml.FlowStyle
		}
		text, err := yaml.Dump(value, yaml.WithV4Defaults(), yaml.WithLineWidth(-1))
		if err != nil {
			return nil
		}
		fields[settings.Content[i].Value] = strings.TrimRight(string(text), "\n")
	}
	return fields
}

// rest writes what most pipelines have, as comments.
func (w *draft) rest(source Component) {
	common := []string{"on_error", "tasks"}
	if source.Redis != nil {
		common = append(common, "lease")
	}
	w.line(0, "")
	for _, f := range shapeOf(reflect.TypeFor[Pipeline]()).fields {
		if slices.Contains(common, f.name) {
			w.doc(0, f.doc)
			w.line(0, "# "+f.name+": "+f.shown())
		}
	}
}
