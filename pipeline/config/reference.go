package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
)

// maxNesting bounds how deep settings that hold themselves are shown.
const maxNesting = 8

// Reference writes what there is to know of the components called name, as text for
// a terminal; with an empty name, the list of all. The error is that of w, or says
// that nothing is called so.
func Reference(w io.Writer, catalog *Catalog, name string) error {
	var out strings.Builder
	var names []string
	for _, k := range kinds() {
		if name == "" {
			catalog.index(&out, k)
		}
		for _, c := range catalog.list(k) {
			names = append(names, c.Name)
			if c.Name == name {
				c.describe(&out, k)
			}
		}
	}
	if out.Len() == 0 {
		return fmt.Errorf("there is no component called %s; %s", quote(name), suggest(name, names))
	}
	_, err := io.WriteString(w, strings.TrimPrefix(out.String(), "\n"))
	return err
}

// index lists the components of a kind, a line each.
func (c *Catalog) index(out *strings.Builder, k kind) {
	fmt.Fprintf(out, "\n%s\n", strings.ToUpper(string(k[0]))+string(k[1:])+"s")
	for _, component := range c.list(k) {
		first, _, _ := strings.Cut(component.Doc, "\n")
		fmt.Fprintf(out, "  %-16s  %s\n", component.Name, first)
	}
}

// describe writes all that is known of a component.
func (c Component) describe(out *strings.Builder, k kind) {
	fmt.Fprintf(out, "\n%s (%s)\n\n%s", c.Name, k, indented(c.Doc, "  "))
	if k == sources || k == sinks {
		fmt.Fprintf(out, "\n  Keeps at best: %s\n", c.Best)
	}
	if c.Settings == nil {
		out.WriteString("\n  It takes no settings.\n")
	} else {
		out.WriteString("\n  Settings\n")
		eachField(c, func(f field, path string) { f.describe(out, c, path) })
	}
	if c.Example != "" {
		fmt.Fprintf(out, "\n  Example\n\n%s", indented(c.Example, "    "))
	}
}

// describe writes one setting: its path, what it takes, and what it is.
func (f field) describe(out *strings.Builder, c Component, path string) {
	if path == "" {
		path = c.Name
	}
	notes := []string{f.typeName()}
	switch {
	case f.required:
		notes = append(notes, "required")
	case f.hasDefault:
		notes = append(notes, "default "+f.def)
	}
	if f.min != "" {
		notes = append(notes, "at least "+f.min)
	}
	if f.example != "" {
		notes = append(notes, "like "+f.example)
	}
	fmt.Fprintf(out, "\n    %s\n        %s\n", path, strings.Join(notes, "; "))
	if f.doc != "" {
		out.WriteString(indented(f.doc, "        "))
	}
}

// indented puts spaces before each line that has something on it.
func indented(text, by string) string {
	var out strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		out.WriteString(strings.TrimRight(by+line, " ") + "\n")
	}
	return out.String()
}

// eachField calls yield for each field of a component's settings, with its path
// inside the component: "trigger.every", "servers[].port". What stands for the
// whole of a component is called by its name and has no path.
func eachField(c Component, yield func(f field, path string)) {
	if c.Settings == nil {
		return
	}
	fieldsOf(reflect.TypeOf(c.Settings()).Elem(), c.Name, "", 0, yield)
}

func fieldsOf(t reflect.Type, name, path string, depth int, yield func(f field, path string)) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		switch t.Kind() {
		case reflect.Slice:
			path += "[]"
		case reflect.Map:
			path += ".*"
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == typeUse || t == typeNamed || depth > maxNesting {
		return
	}
	s := shapeOf(t)
	for _, single := range []*field{s.whole, s.scalar} {
		if single != nil && single.name == "" && path == "" {
			f := *single
			f.name = name
			yield(f, path)
		}
	}
	for _, f := range s.fields {
		at := join(path, f.name)
		yield(f, at)
		fieldsOf(f.typ, f.name, at, depth+1, yield)
	}
}
