package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-io/penstock/connectors/kafka"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/server"
	"github.com/penstock-io/penstock/plugins/host"
)

// serverMaker makes the pipelines of a server out of components.
type serverMaker struct {
	components Components
	env        Environment
	settings   runSettings
	variables  func(name string) (string, bool)
	allowed    []string // folders that text of the API may name files and programs of, absolute
}

var _ server.Maker = (*serverMaker)(nil)

// Parse reads a file. Text of the API may read ${file:…}, and name files and programs, of
// folders that are allowed alone.
func (m *serverMaker) Parse(ctx context.Context, file config.File, remote bool) ([]*config.Pipeline, error) {
	lookup := config.Lookup{Env: m.variables, ReadFile: os.ReadFile, HideEnv: true}
	if remote {
		lookup.ReadFile = func(path string) ([]byte, error) {
			if !m.mayName(path) {
				return nil, config.ErrNotAllowed
			}
			return os.ReadFile(path)
		}
	}
	pipelines, err := m.components.parseWith(lookup, file)
	if err != nil {
		return nil, err
	}
	var errs config.Errors
	for _, p := range pipelines {
		errs = append(errs, ofRun(p)...)
		if remote {
			errs = append(errs, m.strange(p)...)
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return pipelines, m.components.checkPlugins(ctx, pipelines, m.env.Log)
}

// ofRun finds what only penstock run can do.
func ofRun(p *config.Pipeline) (errs config.Errors) {
	if p.Source.Component == "stdin" {
		errs = append(errs, config.Error{At: p.Source.At, What: "a server has no standard input", Do: "name another source, or say penstock run"})
	}
	if p.Sink.Component == "stdout" {
		errs = append(errs, config.Error{At: p.Sink.At, What: "a server has no standard output", Do: "name another sink, or say penstock run"})
	}
	return errs
}

// strange finds files and programs that text of the API may not name.
func (m *serverMaker) strange(p *config.Pipeline) (errs config.Errors) {
	refuse := func(at config.Place, field, text string) {
		errs = append(errs, config.Error{At: at, What: fmt.Sprintf("%s names %s, which %v", field, text, config.ErrNotAllowed), Do: "start the server with --allow FOLDER, or name one in an allowed folder"})
	}
	for _, local := range p.Locals() {
		if _, argument, is := strings.Cut(local.Field, ".command["); is && argument != "0]" {
			continue // what an allowed program does with it is its own affair
		}
		path := local.Text
		if strings.HasSuffix(local.Field, ".command[0]") {
			path = inPath(path)
		}
		if !m.mayName(path) {
			refuse(local.At, local.Field, local.Text)
		}
	}
	eachPlugin([]*config.Pipeline{p}, func(_ *config.Pipeline, step config.Step, s host.Settings) {
		if s.Name != "" && !m.mayName(inPath("penstock-plugin-"+s.Name)) {
			refuse(step.At, "plugin.name", s.Name)
		}
	})
	return errs
}

// inPath gives where a program is that is named without a folder.
func inPath(program string) string {
	if found, err := exec.LookPath(program); err == nil {
		return found
	}
	return program
}

// mayName tells whether a path leads into a folder that is allowed, all links followed.
func (m *serverMaker) mayName(path string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) { // a file that is to be made
		var dir string
		if dir, err = filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
			real = filepath.Join(dir, filepath.Base(path))
		}
	}
	if err != nil {
		return false
	}
	for _, folder := range m.allowed {
		if inside, err := filepath.Rel(folder, real); err == nil && filepath.IsLocal(inside) {
			return true
		}
	}
	return false
}

// Make makes a pipeline that can run.
func (m *serverMaker) Make(p *config.Pipeline) (*server.Job, error) {
	b, err := m.components.build(p, m.env, m.settings)
	if err != nil {
		return nil, err
	}
	log := m.env.Log.With("pipeline", b.name)
	var topics []string
	if to, ok := p.Sink.Settings.(*kafka.SinkSettings); ok {
		topics = []string{to.Topic}
	}
	var plugins []server.PluginStatus
	for _, one := range b.plugins {
		plugins = append(plugins, server.PluginStatus{Pipeline: b.name, Transform: one.transform, Plugin: one.Name()})
	}
	return &server.Job{
		Plugins: plugins, Route: b.route, Topics: topics, Engine: b.engine, Source: b.source, Sink: b.sink, Figures: append([]prometheus.Collector(nil), append(b.memoryMetrics(), b.pluginMetrics()...)...),
		Run: func(ctx context.Context) error { return b.run(ctx, log) }, Close: b.close,
	}, nil
}

// Components gives what files may name.
func (m *serverMaker) Components() []server.Component {
	catalog := m.components.catalog()
	var all []server.Component
	for _, of := range []struct {
		kind string
		list []config.Component
	}{{"source", catalog.Sources}, {"transform", catalog.Transforms}, {"format", catalog.Formats}, {"sink", catalog.Sinks}} {
		for _, c := range of.list {
			all = append(all, server.Component{Name: c.Name, Kind: of.kind, Doc: c.Doc, Example: c.Example})
		}
	}
	return all
}

// Explain gives what penstock explain --json does.
func (m *serverMaker) Explain(p *config.Pipeline) (any, error) { return m.components.explain(p) }
