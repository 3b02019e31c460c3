package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline"
)

// SettingsSchema gives the JSON Schema (draft 7) of a struct of settings that stands alone:
// of a plugin.
func SettingsSchema[S any]() ([]byte, error) {
	s := schemer{&Catalog{}}
	schema := s.structure(reflect.TypeFor[S](), 0)
	schema["$schema"] = "http://json-schema.org/draft-07/schema#"
	text, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("the JSON Schema cannot be written: %w", err)
	}
	return append(text, '\n'), nil
}

// Settings fills in a struct of settings, to which into points, from JSON text, as
// Parse does for components, its defaults and its method Validate included. Variables were
// put in before: nothing is expanded. The problems name the fields that they are about.
func Settings(into any, text []byte) []pipeline.Problem {
	p := &parser{catalog: &Catalog{}, named: map[string]Place{}, src: newSource(File{Name: "settings", Data: text})}
	d := newDecoder(p)
	d.literal = true
	for _, document := range p.read(text, "settings", "an object") {
		v := reflect.ValueOf(into).Elem()
		d.place("", nil, document)
		d.value(document, v, field{name: "settings", typ: v.Type(), example: "{}"}, "")
		if settings, ok := into.(interface{ Validate() []pipeline.Problem }); ok {
			d.problems(settings.Validate(), "")
		}
	}
	paths := map[Place]string{}
	for path, at := range d.places {
		for _, n := range []*yaml.Node{at.key, at.value} {
			if n == nil {
				continue
			}
			if other, ok := paths[d.src.place(n)]; !ok || len(path) < len(other) { // what was not written stands where its object does
				paths[d.src.place(n)] = path
			}
		}
	}
	var problems []pipeline.Problem
	for _, e := range p.found() {
		path := paths[e.At]
		what := strings.TrimPrefix(strings.TrimPrefix(e.What, path+": "), path+" ")
		problems = append(problems, pipeline.Problem{Field: path, What: what, Do: e.Do})
	}
	return problems
}

// Locate makes mistakes of what somebody else has said of the settings of a component of
// the pipeline, which is one that Parse has given: at the fields that the problems name. A
// field that was not written is where the component is.
func (p *Pipeline) Locate(use Use, problems []pipeline.Problem) Errors {
	d := p.decoder
	d.errs = nil
	d.problems(problems, d.components[use.At])
	return d.found()
}
