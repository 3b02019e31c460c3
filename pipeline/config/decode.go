package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline"
)

// decoder fills the spec of one document from its nodes.
type decoder struct {
	*parser
	places      map[string]placed // by path in the document
	bad         map[string]bool   // paths at which something was wrong
	expressions []expression
	paths       []recordPath
	secrets     []secretAt
	components  map[Place]string // paths of components, by where they are named
	literal     bool             // nothing is expanded
	private     bool             // what is expanded is a secret
	locals      []Local
}

// placed is where a value stands.
type placed struct {
	key   *yaml.Node // nil: an element of a list, or the document
	value *yaml.Node
}

// expression is an expression of the document, to be checked.
type expression struct {
	node      *yaml.Node
	text      string
	name      string // as it stands in the file before it
	path      string
	condition bool
}

// recordPath is a text that names a part of a record.
type recordPath struct {
	node *yaml.Node
	text string
	path string
}

func newDecoder(p *parser) *decoder {
	return &decoder{parser: p, places: map[string]placed{}, bad: map[string]bool{}, components: map[Place]string{}}
}

// wrong notes a mistake at a node and marks the path, so that nothing more is
// said about it.
func (d *decoder) wrong(n *yaml.Node, path, what, do string) {
	d.mark(path)
	d.failAt(n, what, do)
}

// mark notes that something is wrong at a path. Beyond the mistakes that are shown
// it does not matter any more, and costs.
func (d *decoder) mark(path string) {
	if len(d.errs) < maxErrors {
		d.bad[path] = true
	}
}

// place notes where a value stands.
func (d *decoder) place(path string, key, value *yaml.Node) { d.places[path] = placed{key, value} }

// keyAt gives the node to show for a path: the key where there is one.
func (d *decoder) keyAt(path string) *yaml.Node {
	if p := d.places[path]; p.key != nil {
		return p.key
	}
	return d.places[path].value
}

// document decodes the root of a document; false: it is nothing like a pipeline.
func (d *decoder) document(n *yaml.Node, spec *Pipeline) bool {
	d.place("", nil, n)
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "", "a pipeline is an object, not "+describe(n), "write name, source and sink")
		return false
	}
	d.value(n, reflect.ValueOf(spec).Elem(), field{typ: reflect.TypeFor[Pipeline]()}, "")
	return true
}

// value decodes a node into v, as f describes it.
func (d *decoder) value(n *yaml.Node, v reflect.Value, f field, path string) {
	n = resolve(n)
	switch {
	case f.typ.Kind() == reflect.Pointer:
		f.typ = f.typ.Elem()
		v.Set(reflect.New(f.typ))
		d.value(n, v.Elem(), f, path)
	case f.typ == typeUse:
		d.use(n, v.Addr().Interface().(*Use), f, path)
	case f.typ == typeNamed:
		d.named(n, v.Addr().Interface().(*pipeline.Named), f, path)
	case f.typ == typeExpression:
		d.expression(n, v, f, path)
	case f.private:
		d.private, f.private = true, false
		d.value(n, v, f, path)
		d.private = false
	case f.typ.Kind() == reflect.Interface:
		if value, ok := d.anything(n, path); ok && value != nil {
			v.Set(reflect.ValueOf(value))
		}
	case f.typ.Kind() == reflect.Struct:
		d.structure(n, v, f, path)
	case f.typ.Kind() == reflect.Slice:
		d.list(n, v, f, path)
	case f.typ.Kind() == reflect.Map:
		d.object(n, v, f, path)
	default:
		d.scalar(n, v, f, path)
	}
}

// want notes that a node is not what the field takes.
func (d *decoder) want(n *yaml.Node, f field, path string) {
	do := fmt.Sprintf("write %s, like %s", a(f.typeName()), f.sample())
	component := f.component()
	switch {
	case component != "" && f.typ.Kind() == reflect.Slice:
		do = "write a list of objects, each with one of " + strings.Join(d.catalog.names(component), ", ")
	case component != "":
		do = "write an object with one of " + strings.Join(d.catalog.names(component), ", ")
	case len(f.enum) > 0:
		do = suggest("", f.enum) + f.otherwise
	case f.typ.Kind() == reflect.String && n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null":
		do = "put it in quotes"
	}
	d.wrong(n, path, fmt.Sprintf("%s has to be %s, not %s", label(path), a(f.typeName()), f.instead(n)), do)
}

// label is a path as messages show it: its last part is enough, beside the place.
func label(path string) string {
	if path == "" {
		return "this"
	}
	return path
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, f field, path string) {
	if n.Kind != yaml.SequenceNode {
		d.want(n, f, path)
		return
	}
	if d.empty(n, len(n.Content), f, path) {
		return
	}
	v.Set(reflect.MakeSlice(f.typ, len(n.Content), len(n.Content)))
	for i, child := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.place(at, nil, child)
		d.value(child, v.Index(i), f.element(), at)
	}
}

func (d *decoder) object(n *yaml.Node, v reflect.Value, f field, path string) {
	if n.Kind != yaml.MappingNode {
		d.want(n, f, path)
		return
	}
	if d.empty(n, len(n.Content), f, path) {
		return
	}
	v.Set(reflect.MakeMapWithSize(f.typ, len(n.Content)/2))
	element := f.element()
	element.path = false
	for key, child := range pairs(n) {
		if key.Kind != yaml.ScalarNode {
			continue // noted by survey
		}
		at := join(path, key.Value)
		d.place(at, key, child)
		if f.path {
			d.paths = append(d.paths, recordPath{key, key.Value, at})
		}
		value := reflect.New(f.typ.Elem()).Elem()
		element.name = key.Value
		d.value(child, value, element, at)
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(f.typ.Key()), value)
	}
}

// structure decodes a struct: as a whole, as a scalar, or field by field.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, f field, path string) {
	if f.typ == typeTest {
		defer func(before bool) { d.literal = before }(d.literal)
		d.literal = true
	}
	switch spec := v.Addr().Interface().(type) {
	case *Test:
		spec.At = d.src.place(n)
	case *Given:
		spec.At = d.src.place(n)
	case *Expected:
		spec.At = d.src.place(n)
	}
	s := shapeOf(f.typ)
	switch {
	case s.whole != nil:
		whole := *s.whole
		whole.name = f.name
		d.value(n, v.FieldByIndex(whole.index), whole, path)
	case s.scalar != nil && (n.Kind == yaml.ScalarNode || d.namesComponent(n, *s.scalar)):
		scalar := *s.scalar
		scalar.otherwise = ", or an object of " + strings.Join(s.names(), ", ")
		d.value(n, v.FieldByIndex(scalar.index), scalar, path)
		if scalar.typ == typeNamed {
			d.others(n, v, s, path)
		}
	case n.Kind == yaml.MappingNode:
		d.fields(n, v, s, path)
	default:
		d.want(n, f, path)
	}
}

// others fills in the fields of a struct that stand beside its scalar.
func (d *decoder) others(n *yaml.Node, v reflect.Value, s shape, path string) {
	for _, f := range s.fields {
		if f.name != s.scalar.name {
			d.absent(n, v.FieldByIndex(f.index), f, path)
		}
	}
}

// namesComponent says whether a node is an object that names a component, where f takes
// one: {base64: json}.
func (d *decoder) namesComponent(n *yaml.Node, f field) bool {
	return f.typ == typeNamed && n.Kind == yaml.MappingNode && len(n.Content) == 2 && d.isComponent(f, n.Content[0].Value)
}

// fields decodes the fields of a mapping, and what is absent from it.
func (d *decoder) fields(n *yaml.Node, v reflect.Value, s shape, path string) {
	present, meant := map[string]bool{}, map[string]bool{}
	var components []*yaml.Node
	unknown := false
	for key, child := range pairs(n) {
		f, known := s.find(key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || present[key.Value] || key.ShortTag() == "!!merge":
			continue // noted by survey
		case known:
			present[f.name] = true
			at := join(path, f.name)
			d.place(at, key, child)
			d.value(child, v.FieldByIndex(f.index), f, at)
		case s.component != nil && d.isComponent(*s.component, key.Value):
			components = append(components, key, child)
		default:
			unknown = true
			meant[d.unknown(key, s, path)] = true
		}
		present[key.Value] = true
	}
	if s.component != nil && (len(components) > 0 || !unknown) {
		d.oneComponent(components, v.FieldByIndex(s.component.index), *s.component, path)
	}
	for _, f := range s.fields {
		switch {
		case present[f.name]:
		case meant[f.name]:
			d.mark(join(path, f.name))
		default:
			d.absent(n, v.FieldByIndex(f.index), f, path)
		}
	}
}

// unknown notes a name that nothing knows, and gives the one that was meant.
func (d *decoder) unknown(key *yaml.Node, s shape, path string) string {
	known, what := s.names(), "field"
	if s.component != nil {
		known, what = append(d.catalog.names(s.component.of), known...), string(s.component.of)+" or field"
	}
	in := ""
	if path != "" {
		in = " in " + path
	}
	d.place(join(path, key.Value), key, key)
	d.wrong(key, join(path, key.Value), fmt.Sprintf("unknown %s %s%s", what, quote(key.Value), in), suggest(key.Value, known))
	return nearestName(key.Value, known)
}

// absent fills in what is not there, or says that it is missing.
func (d *decoder) absent(n *yaml.Node, v reflect.Value, f field, path string) {
	at := join(path, f.name)
	switch {
	case f.hasDefault:
		d.fallback(n, v, f, at)
	case f.required:
		d.mark(at)
		in := ""
		if path != "" {
			in = " in " + path
		}
		key := n
		if path != "" {
			key = d.keyAt(path)
		}
		d.failAt(key, fmt.Sprintf("%s is missing%s", f.name, in), "write "+d.missing(f))
	case f.typ.Kind() == reflect.Struct && f.typ != typeUse && f.typ != typeNamed:
		d.places[at] = d.places[path]
		if s := shapeOf(f.typ); s.whole == nil {
			d.fields(&yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}, v, s, at)
		}
	}
}

// missing shows a field that has to be written.
func (d *decoder) missing(f field) string {
	if component := f.component(); component != "" {
		return f.name + " with one of " + strings.Join(d.catalog.names(component), ", ")
	}
	return f.name + ": " + f.sample()
}

// fallback decodes a default. Nothing in it is expanded.
func (d *decoder) fallback(n *yaml.Node, v reflect.Value, f field, path string) {
	node := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: f.def}
	if f.typ.Kind() != reflect.String {
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(f.def), &document); err == nil && len(document.Content) == 1 {
			node = document.Content[0]
		}
	}
	move(node, n.Line, n.Column)
	d.places[path] = d.places[parent(path)]
	defer func(before bool) { d.literal = before }(d.literal)
	d.literal = true
	d.value(node, v, f, path)
}

// move gives a tree of nodes one place.
func move(n *yaml.Node, line, col int) {
	n.Line, n.Column = line, col
	for _, child := range n.Content {
		move(child, line, col)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// parent gives the path without its last part.
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}
