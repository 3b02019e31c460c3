package config

import (
	"fmt"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// The limits of a file. An alias counts as all that it stands for.
const (
	maxFileBytes = 1 << 20
	maxDepth     = 64
	maxNodes     = 100_000
	maxNameBytes = 200
)

// File is a pipeline file: its name for messages, and its bytes.
type File struct {
	Name string
	Data []byte
}

// Lookup gives what ${…} stands for. A text takes
//
//	${NAME}            the variable; unset is a mistake
//	${NAME:-default}   the default where the variable is unset or empty
//	${file:/path}      the file's text without its last line break
//	$$                 a dollar sign
//
// and a $ before anything else is itself. A nil function knows nothing.
type Lookup struct {
	Env      func(name string) (string, bool)
	ReadFile func(path string) ([]byte, error)
	// HideEnv masks what variables stand for wherever a pipeline is shown, as what files
	// hold always is: who reads may not be who set them.
	HideEnv bool
}

// Parse reads pipeline files: one pipeline a YAML document. It returns the
// pipelines in the order of the files and their documents. The error is nil or
// Errors, with every mistake of all files (but after a mistake in the YAML itself,
// only what stands in the documents before it can be judged), and comes without
// pipelines. Names of pipelines must differ, over all files. Secrets never stand in
// messages. It calls nothing but catalog and lookup, and starts nothing.
func Parse(catalog *Catalog, lookup Lookup, files ...File) ([]*Pipeline, error) {
	var pipelines []*Pipeline
	var errs Errors
	named := map[string]Place{}
	for _, file := range files {
		p := &parser{catalog: catalog, lookup: lookup, named: named, src: newSource(file)}
		pipelines = append(pipelines, p.file(file.Data)...)
		errs = append(errs, p.found()...)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return pipelines, nil
}

// parser reads one file.
type parser struct {
	catalog *Catalog
	lookup  Lookup
	named   map[string]Place // the names of all files
	src     *source
	errs    Errors
	over    int // mistakes beyond maxErrors
	hidden  hidden
}

// file gives the pipelines of a file; those with mistakes are incomplete.
func (p *parser) file(data []byte) []*Pipeline {
	var pipelines []*Pipeline
	for _, document := range p.read(data, "pipeline", "name, source and sink") {
		pipelines = append(pipelines, p.pipeline(document))
	}
	return pipelines
}

// read gives the documents of a file that can be decoded. what the file holds, and
// the fields of one, are for messages.
func (p *parser) read(data []byte, what, fields string) []*yaml.Node {
	if len(data) > maxFileBytes {
		p.fail(1, 1, fmt.Sprintf("the file has %d bytes", len(data)), "a pipeline file has at most 1 MiB")
		return nil
	}
	if !utf8.Valid(data) {
		p.fail(1, 1, "the file is not UTF-8 text", "save it as UTF-8")
		return nil
	}
	documents := p.documents()
	var sound []*yaml.Node
	for _, document := range documents {
		if p.survey(document) {
			sound = append(sound, document)
		}
	}
	if len(documents) == 0 && len(p.errs) == 0 {
		p.fail(1, 1, "the file holds no "+what, "write one: "+fields)
	}
	return sound
}

// pipeline decodes one document and checks what no single field shows.
func (p *parser) pipeline(document *yaml.Node) *Pipeline {
	d := newDecoder(p)
	spec := &Pipeline{At: p.src.place(document)}
	if d.document(document, spec) {
		c := checker{parser: p, decoder: d, spec: spec}
		c.check()
	}
	spec.hidden, spec.decoder = &p.hidden, d
	return spec
}

// fail notes a mistake at a line and column.
func (p *parser) fail(line, col int, what, do string) {
	if len(p.errs) >= maxErrors {
		p.over++
		return
	}
	p.errs = append(p.errs, Error{At: Place{p.src.name, line, col}, What: what, Do: do})
}

// failAt notes a mistake at a node.
func (p *parser) failAt(n *yaml.Node, what, do string) { p.fail(n.Line, n.Column, what, do) }

// found gives the file's mistakes in order, without those on lines that YAML had
// mangled: they were read as somebody else wrote them.
func (p *parser) found() Errors {
	var kept Errors
	for _, e := range p.errs {
		if !p.src.mended[e.At.Line] {
			e.What, e.Do = p.hidden.scrub(e.What), p.hidden.scrub(e.Do)
			kept = append(kept, e)
		}
	}
	kept = append(kept, p.src.mangled...).sorted()
	if p.over > 0 {
		last := kept[len(kept)-1]
		kept = append(kept, Error{At: last.At,
			What: fmt.Sprintf("%d more mistakes are not shown", p.over), Do: "mend these first"})
	}
	return kept
}
