package config

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline"
)

// field is one setting, as the tags of its struct field describe it.
type field struct {
	name       string // empty: whole, scalar without a name, component
	index      []int
	typ        reflect.Type
	doc        string
	def        string
	hasDefault bool
	required   bool
	filled     bool // an empty text, list or map is none
	enum       []string
	min        string
	example    string
	condition  bool
	path       bool
	private    bool // variables in it stand for secrets
	local      bool // names a file of this machine
	of         kind
	otherwise  string // what else may stand in place of one of enum, for messages
}

// shape is what a struct takes.
type shape struct {
	fields    []field // by name, in order
	whole     *field
	scalar    *field
	component *field // a Use whose component is named by a key among the fields
}

var (
	typeDuration   = reflect.TypeFor[time.Duration]()
	typeSize       = reflect.TypeFor[pipeline.Size]()
	typeSecret     = reflect.TypeFor[pipeline.Secret]()
	typeExpression = reflect.TypeFor[pipeline.Expression]()
	typeDelivery   = reflect.TypeFor[pipeline.Delivery]()
	typeUse        = reflect.TypeFor[Use]()
	typeNamed      = reflect.TypeFor[pipeline.Named]()
	typeOnError    = reflect.TypeFor[OnError]()
	typeTest       = reflect.TypeFor[Test]()
)

// shapeOf reads the tags of a struct.
func shapeOf(t reflect.Type) shape {
	var s shape
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, ok := sf.Tag.Lookup("yaml")
		if !ok || tag == "-" || !sf.IsExported() {
			continue
		}
		name, role, _ := strings.Cut(tag, ",")
		f := newField(sf, name)
		switch role {
		case "inline":
			s.inline(i, shapeOf(sf.Type))
			continue
		case "whole":
			s.whole = &f
		case "scalar":
			s.scalar = &f
		case "component":
			s.component = &f
		}
		if name != "" {
			s.fields = append(s.fields, f)
		}
	}
	return s
}

func (s *shape) inline(i int, inner shape) {
	for _, f := range inner.fields {
		f.index = append([]int{i}, f.index...)
		s.fields = append(s.fields, f)
	}
}

func newField(sf reflect.StructField, name string) field {
	f := field{
		name: name, index: sf.Index, typ: sf.Type,
		doc: sf.Tag.Get("doc"), example: sf.Tag.Get("example"), min: sf.Tag.Get("min"),
		required:  sf.Tag.Get("required") != "",
		filled:    sf.Tag.Get("required") == "true",
		condition: sf.Tag.Get("condition") == "true",
		path:      sf.Tag.Get("path") == "true",
		private:   sf.Tag.Get("private") == "true",
		local:     sf.Tag.Get("local") == "true",
		of:        kind(sf.Tag.Get("of")),
	}
	if f.def, f.hasDefault = sf.Tag.Lookup("default"); !f.hasDefault && !f.required {
		f.def, f.hasDefault = impliedDefault(f.typ)
	}
	if enum := sf.Tag.Get("enum"); enum != "" {
		f.enum = strings.Split(enum, ",")
	}
	if f.typ == typeDelivery {
		f.enum = deliveries()
	}
	return f
}

// impliedDefault is the default that a type brings along: false, or that of the
// scalar that stands for an object.
func impliedDefault(t reflect.Type) (def string, ok bool) {
	if t.Kind() == reflect.Bool {
		return "false", true
	}
	if t.Kind() != reflect.Struct || t == typeUse || t == typeNamed {
		return "", false
	}
	s := shapeOf(t)
	if s.scalar == nil {
		return "", false
	}
	return s.scalar.def, s.scalar.hasDefault
}

// instead describes what stands where the field is, without what may be a secret.
func (f field) instead(n *yaml.Node) string {
	scalar := n.Kind == yaml.ScalarNode && n.ShortTag() != "!!null"
	switch {
	case scalar && f.typ == typeSecret:
		return "a number or a word that YAML knows"
	case scalar && holdsSecret(f.typ):
		return "a text or a number" // which may be the secret, one level too high
	}
	return describe(n)
}

// holdsSecret says whether one of the fields of an object is secret.
func holdsSecret(t reflect.Type) bool {
	return t.Kind() == reflect.Struct &&
		slices.ContainsFunc(shapeOf(t).fields, func(f field) bool { return f.typ == typeSecret })
}

func (s *shape) find(name string) (field, bool) {
	for _, f := range s.fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func (s *shape) names() []string {
	names := make([]string, len(s.fields))
	for i, f := range s.fields {
		names[i] = f.name
	}
	return names
}

// element is the field of the elements of a list or map.
func (f field) element() field {
	f.typ = f.typ.Elem()
	f.required, f.filled, f.hasDefault, f.example = false, false, false, ""
	return f
}

func deliveries() []string {
	var all []string
	for d := pipeline.ExactlyOnce; ; d-- {
		all = append(all, d.String())
		if d == pipeline.AtMostOnce {
			return all
		}
	}
}

// typeName says in words what a field takes.
func (f field) typeName() string {
	if len(f.enum) > 0 && f.typ.Kind() != reflect.Slice {
		return "one of " + strings.Join(f.enum, ", ")
	}
	switch f.typ {
	case typeDuration:
		return "duration"
	case typeSize:
		return "size"
	case typeSecret:
		return "secret text"
	case typeExpression:
		return "expression"
	case typeUse, typeNamed:
		return string(f.of)
	}
	switch f.typ.Kind() {
	case reflect.Pointer:
		f.typ = f.typ.Elem()
		return f.typeName()
	case reflect.Slice:
		return "list of " + f.element().typeName()
	case reflect.Map:
		return "object of " + f.element().typeName()
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Interface:
		return "anything"
	case reflect.Struct:
		return structName(f.typ)
	default:
		return "whole number"
	}
}

// component is the kind of component that is named among the fields of a struct, or
// of each in a list; empty: none is.
func (f field) component() kind {
	if f.typ.Kind() == reflect.Slice {
		return f.element().component()
	}
	if f.typ.Kind() != reflect.Struct || f.typ == typeUse || f.typ == typeNamed {
		return ""
	}
	if s := shapeOf(f.typ); s.component != nil {
		return s.component.of
	}
	return ""
}

// structName says in words what a struct takes.
func structName(t reflect.Type) string {
	switch s := shapeOf(t); {
	case s.whole != nil:
		return s.whole.typeName()
	case s.scalar != nil:
		return s.scalar.typeName() + ", or an object"
	}
	return "object"
}

// a puts an article before what a field takes, where one belongs.
func a(typeName string) string {
	for _, bare := range []string{"text", "secret text", "true or false", "one of ", "anything"} {
		if strings.HasPrefix(typeName, bare) {
			return typeName
		}
	}
	if strings.ContainsAny(typeName[:1], "aeiou") {
		return "an " + typeName
	}
	return "a " + typeName
}

// sample is a value that a field takes, as it would stand in a file.
func (f field) sample() string {
	switch {
	case f.example != "":
		return f.example
	case f.def != "":
		return f.def
	case len(f.enum) > 0:
		return f.enum[0]
	}
	switch f.typ {
	case typeDuration:
		return "10s"
	case typeSize:
		return "4 MiB"
	case typeExpression:
		return "value.user_id"
	}
	switch f.typ.Kind() {
	case reflect.Pointer:
		f.typ = f.typ.Elem()
		return f.sample()
	case reflect.Slice:
		return "[" + f.element().sample() + "]"
	case reflect.Map:
		return "{…}"
	case reflect.Struct:
		return structSample(f.typ)
	case reflect.Bool:
		return "true"
	case reflect.String, reflect.Interface:
		return "…"
	default:
		return "1"
	}
}

// structSample shows the fields that a struct requires, or else its first.
func structSample(t reflect.Type) string {
	s := shapeOf(t)
	if s.whole != nil {
		return s.whole.sample()
	}
	var parts []string
	for i, f := range s.fields {
		if nested := f.typ.Kind() == reflect.Pointer || f.typ.Kind() == reflect.Slice; nested && !f.required {
			continue // it may hold itself
		}
		if f.required || i == 0 && len(s.required()) == 0 {
			parts = append(parts, f.name+": "+f.sample())
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// required names the fields that have to be written.
func (s *shape) required() []string {
	var names []string
	for _, f := range s.fields {
		if f.required && !f.hasDefault {
			names = append(names, f.name)
		}
	}
	return names
}
