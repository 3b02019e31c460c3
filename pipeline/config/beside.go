package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"
)

// besideDocument is a document of a file of tests.
type besideDocument struct {
	Pipeline string `yaml:"pipeline" example:"user-behavior" doc:"The name of the pipeline; it may be left out where the file beside holds one."`
	Tests    []Test `yaml:"tests" required:"true" example:"[{name: a purchase passes, given: [{value: {user_id: u1}}], expect: [{key: u1}]}]" doc:"Records to try the transforms with (penstock test)."`
}

// AddTests reads a file of tests that stands beside a file of pipelines, which are
// given, and adds its tests to theirs. The error is nil or Errors, as that of Parse;
// nothing was added then.
func AddTests(catalog *Catalog, pipelines []*Pipeline, file File) error {
	p := &parser{catalog: catalog, named: map[string]Place{}, src: newSource(file)}
	added := make([][]Test, len(pipelines))
	for _, document := range p.read(file.Data, "tests", "pipeline and tests") {
		if n, tests := p.testsOf(document, pipelines); n >= 0 {
			added[n] = append(added[n], tests...)
		}
	}
	if errs := p.found(); len(errs) > 0 {
		return errs
	}
	for n, tests := range added {
		pipelines[n].Tests = append(pipelines[n].Tests, tests...)
	}
	return nil
}

// testsOf gives the tests of a document, and which pipeline they are of, -1 where it
// is none of them.
func (p *parser) testsOf(n *yaml.Node, pipelines []*Pipeline) (int, []Test) {
	d := newDecoder(p)
	d.place("", nil, n)
	if n.Kind != yaml.MappingNode {
		d.wrong(n, "", "a file of tests is an object, not "+describe(n), "write pipeline and tests")
		return -1, nil
	}
	var document besideDocument
	d.value(n, reflect.ValueOf(&document).Elem(), field{typ: reflect.TypeFor[besideDocument]()}, "")
	of := p.pipelineOf(d, document.Pipeline, pipelines)
	if of < 0 {
		return -1, nil
	}
	spec := *pipelines[of]
	spec.Tests = document.Tests
	c := checker{parser: p, decoder: d, spec: &spec}
	c.tests()
	return of, spec.Tests
}

// pipelineOf finds the pipeline that a document is about, -1 where there is none.
func (p *parser) pipelineOf(d *decoder, name string, pipelines []*Pipeline) int {
	if name == "" && len(pipelines) == 1 {
		return 0
	}
	names := make([]string, len(pipelines))
	for i, one := range pipelines {
		if one.Name == name {
			return i
		}
		names[i] = one.Name
	}
	if name == "" {
		p.failAt(d.places[""].value, "pipeline is missing: the file beside holds "+strings.Join(names, ", "), "write pipeline: "+names[0])
	} else {
		p.failAt(d.nearest("pipeline"), fmt.Sprintf("the file beside holds no pipeline %s", quote(name)), suggest(name, names))
	}
	return -1
}

// HoldsTests tells by a file's name whether it holds tests of the pipelines in the one beside
// it: shop.tests.yaml.
func HoldsTests(name string) bool {
	return strings.HasSuffix(strings.TrimSuffix(name, filepath.Ext(name)), ".tests")
}
