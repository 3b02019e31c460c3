package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v4"
)

// variable is the pattern of a text that holds a variable.
const variable = `\$\{`

// object is a JSON Schema, or a part of one.
type object = map[string]any

// Schema gives the JSON Schema (draft 7, which editors know best) of one pipeline
// of a file. It takes every file that Parse takes; Parse also finds what a schema
// cannot say.
func Schema(catalog *Catalog) ([]byte, error) {
	s := schemer{catalog}
	schema := s.structure(reflect.TypeFor[Pipeline](), 0)
	schema["definitions"] = object{
		"on_error": s.structure(reflect.TypeFor[OnError](), 0),
		"format":   s.use(field{typ: typeUse, of: formats}, 0),
	}
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	schema["title"] = "Penstock pipeline"
	schema["description"] = "One pipeline: records from a source, through transforms, to a sink."
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("the JSON Schema cannot be written: %w", err)
	}
	return append(text, '\n'), nil
}

type schemer struct{ catalog *Catalog }

// value gives the schema of what a field takes, with what is said about it.
func (s schemer) value(f field, depth int) object {
	schema := s.bare(f, depth)
	if f.doc != "" {
		schema["description"] = f.doc
	}
	if f.hasDefault {
		schema["default"] = plainValue(f, f.def)
	}
	if f.example != "" {
		schema["examples"] = []any{plainValue(f, f.example)}
	}
	return schema
}

// plainValue is a text of a tag as JSON.
func plainValue(f field, text string) any {
	var value any
	if f.typ.Kind() == reflect.String || yaml.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	return value
}

func (s schemer) bare(f field, depth int) object {
	if f.typ.Kind() == reflect.Pointer {
		f.typ = f.typ.Elem()
		return s.bare(f, depth)
	}
	if schema := s.special(f); schema != nil {
		return schema
	}
	switch f.typ.Kind() {
	case reflect.Struct:
		return s.structure(f.typ, depth)
	case reflect.Slice:
		return f.notEmpty("minItems", object{"type": "array", "items": s.value(f.element().undocumented(), depth)})
	case reflect.Map:
		return f.notEmpty("minProperties", object{"type": "object", "additionalProperties": s.value(f.element().undocumented(), depth)})
	case reflect.Interface:
		return object{}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return f.notEmpty("minLength", object{"type": "string"})
	default:
		return numberSchema(f)
	}
}

// notEmpty adds that there is at least one of what the keyword counts.
func (f field) notEmpty(keyword string, schema object) object {
	if f.filled {
		schema[keyword] = 1
	}
	return schema
}

// special gives the schema of what is written in a way of its own; nil: f is not.
func (s schemer) special(f field) object {
	switch {
	case f.typ == typeUse, f.typ == typeNamed:
		return defined("format")
	case f.typ == typeOnError:
		return defined("on_error")
	case f.typ == typeExpression:
		return object{"type": []string{"string", "boolean", "number"}, "title": "CEL expression over key, value, headers, topic, time and origin"}
	case f.typ == typeDuration:
		return object{"type": "string", "pattern": `^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$|` + variable}
	case f.typ == typeSize:
		return object{"type": []string{"string", "integer"}, "minimum": 0, "pattern": `^[0-9]+ *([KMGT]i?B|B)?$|` + variable}
	case len(f.enum) > 0 && f.typ.Kind() != reflect.Slice:
		return object{"anyOf": []object{{"enum": f.enum}, {"type": "string", "pattern": variable}}}
	}
	return nil
}

// defined refers to a definition, in a way that lets more be said beside it.
func defined(name string) object {
	return object{"allOf": []object{{"$ref": "#/definitions/" + name}}}
}

func numberSchema(f field) object {
	schema := object{"type": "number"}
	switch kind := f.typ.Kind(); kind {
	case reflect.Float32, reflect.Float64:
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		schema = object{"type": "integer", "minimum": 0}
	default:
		schema["type"] = "integer"
		if bits := f.typ.Bits(); bits < 64 {
			schema["maximum"], schema["minimum"] = math.Exp2(float64(bits-1))-1, -math.Exp2(float64(bits-1))
		}
	}
	if least, ok := f.least(); ok {
		schema["minimum"] = least
	}
	return schema
}

// undocumented is a field about which its parent has said everything.
func (f field) undocumented() field {
	f.doc = ""
	return f
}

// structure gives the schema of a struct: of its whole, of its scalar or fields, or
// one for each component that may stand among the fields.
func (s schemer) structure(t reflect.Type, depth int) object {
	shape := shapeOf(t)
	if depth > maxNesting {
		return object{}
	}
	if shape.whole != nil {
		return s.value(*shape.whole, depth)
	}
	schema := object{"type": "object", "additionalProperties": false, "properties": s.properties(shape, depth)}
	if required := shape.required(); len(required) > 0 {
		schema["required"] = required
	}
	switch {
	case shape.scalar != nil:
		return object{"anyOf": []object{s.value(*shape.scalar, depth), schema}}
	case shape.component != nil:
		return s.components(shape.component.of, schema, depth)
	}
	return schema
}

func (s schemer) properties(shape shape, depth int) object {
	properties := object{}
	for _, f := range shape.fields {
		properties[f.name] = s.value(f, depth+1)
	}
	return properties
}

// components gives a schema for each component of a kind, with common beside its
// name.
func (s schemer) components(k kind, common object, depth int) object {
	var one []object
	for _, c := range s.catalog.list(k) {
		schema := maps.Clone(common)
		properties := maps.Clone(common["properties"].(object))
		properties[c.Name] = s.settings(c, depth)
		schema["properties"] = properties
		required, _ := common["required"].([]string)
		schema["required"] = slices.Concat([]string{c.Name}, required)
		schema["title"] = c.Name
		one = append(one, schema)
	}
	return object{"oneOf": one}
}

// use gives the schema of a component that stands alone: its name where it needs no
// settings, or an object of it.
func (s schemer) use(f field, depth int) object {
	var one []object
	var names []string
	for _, c := range s.catalog.list(f.of) {
		if !c.needsSettings() {
			names = append(names, c.Name)
		}
		one = append(one, object{"type": "object", "title": c.Name, "additionalProperties": false,
			"properties": object{c.Name: s.settings(c, depth)}, "required": []string{c.Name}})
	}
	return object{"oneOf": append([]object{{"enum": names}}, one...)}
}

// settings gives the schema of a component's settings, which may be left out where
// none is required.
func (s schemer) settings(c Component, depth int) object {
	schema := object{"type": "object", "maxProperties": 0}
	if c.Settings != nil {
		schema = s.structure(reflect.TypeOf(c.Settings()).Elem(), depth+1)
	}
	switch {
	case c.needsSettings():
	case schema["type"] == "object":
		schema["type"] = []string{"object", "null"}
	default:
		schema = object{"anyOf": []object{{"type": "null"}, schema}}
	}
	if c.Doc != "" {
		schema["description"] = c.Doc
	}
	return schema
}

// needsSettings says whether something has to be written for a component.
func (c Component) needsSettings() bool {
	if c.Settings == nil {
		return false
	}
	s := shapeOf(reflect.TypeOf(c.Settings()).Elem())
	return s.whole != nil || s.scalar != nil && !s.scalar.hasDefault || len(s.required()) > 0
}
