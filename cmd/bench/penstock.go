package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"github.com/penstock-io/penstock/cmd/bench/measure"
)

// penstock is the built binary and a directory for its pipeline files.
type penstock struct {
	binary string
	dir    string
}

// newPenstock builds the binary of this module into dir.
func newPenstock(ctx context.Context, dir string) (*penstock, error) {
	p := &penstock{binary: filepath.Join(dir, "penstock"), dir: dir}
	err := run(ctx, "go", "build", "-buildvcs=auto", "-trimpath", "-o", p.binary, "github.com/penstock-io/penstock/cmd/penstock")
	if err != nil {
		return nil, err
	}
	return p, nil
}

// version is the commit that the binary was built from.
func (p *penstock) version() string {
	info, err := buildinfo.ReadFile(p.binary)
	if err != nil {
		return "unknown"
	}
	revision, modified := info.Main.Version, ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value[:min(12, len(setting.Value))]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			modified = ", modified"
		}
	}
	return revision + modified
}

// pipelineFile is what a pipeline of the benchmark says.
type pipelineFile struct {
	Name        string // of the pipeline
	Shape       measure.Shape
	RedisURL    string
	Key         string
	Broker      string
	Topic       string
	Compression string
	Way         way
	Plugin      string // the command of a plugin that does nothing, in YAML
}

// way is how a pipeline of the benchmark moves records.
type way string

const (
	plain way = "plain" // exactly once, no transforms
	chain way = "chain" // the same, with filter, dedupe and set between source and sink
	idler way = "idler" // as plain, with a plugin in Go between that does nothing
	snake way = "snake" // as plain, with one in Python
	group way = "group" // at least once, as a consumer of a group, no transforms
)

// The filter lets everything pass and the dedupe finds nothing, so that the
// checker can judge the topic and the dedupe holds as many keys as it may.
var pipelineTemplate = template.Must(template.New("pipeline").Parse(`name: {{.Name}}
source:
{{- if eq .Shape "list"}}
  redis_list:
    url: {{.RedisURL}}
    keys: [{{.Key}}]
    pushed_by: rpush
{{- else}}
  redis_stream:
    url: {{.RedisURL}}
    keys: [{{.Key}}]
    value_field: payload
{{- if eq .Way "group"}}
    group: {name: bench}
{{- end}}
{{- end}}
  format: json
{{- if eq .Way "chain"}}
transforms:
  - filter: value.quantity > 0
  - dedupe: {key: value.event_id, within: 10m}
  - set: {value.channel: web}
{{- end}}
{{- if .Plugin}}
transforms:
  - plugin: {command: {{.Plugin}}}
{{- end}}
sink:
  kafka:
    brokers: ["{{.Broker}}"]
    topic: {{.Topic}}
    key: value.user_id
    compression: {{.Compression}}
{{- if eq .Way "chain"}}
  format: json
{{- end}}
{{- if eq .Way "group"}}
delivery: at_least_once
{{- end}}
`))

// write writes the pipeline to a file and returns its name.
func (p *penstock) write(file pipelineFile) (string, error) {
	var text bytes.Buffer
	if err := pipelineTemplate.Execute(&text, file); err != nil {
		return "", fmt.Errorf("the pipeline file of %s: %w", file.Name, err)
	}
	path := filepath.Join(p.dir, file.Name+".yaml")
	return path, os.WriteFile(path, text.Bytes(), 0o600)
}
