package cli

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/plugins/host"
)

// pluginTransform is the transform that a program of somebody's own does.
func pluginTransform() Transform {
	return NewTransform(TransformInfo{
		Name: "plugin", Example: "plugin: {command: [./redact], settings: {fields: [ua]}}\n",
		Doc: `Has a program of your own transform records, in a process of its own.

See plugins/README.md for how one is written, in Go, Python or anything that speaks
gRPC. Whatever the program does, nothing is lost, doubled or out of order by it: a batch
with which it dies, hangs or answers nonsense is tried again in another process, by halves
where need be, and a record that it does not survive goes to on_error alone. While it
cannot be started the pipeline waits, and is degraded.`,
		But: func(any) string { return "runs at least once for a record: what it does outside may happen twice" },
	}, func(env Environment, s host.Settings) (*host.Plugin, error) {
		return host.New(s, env.Pipeline, env.Dir, env.Log)
	})
}

// eachPlugin calls yield for the plugins of pipelines.
func eachPlugin(pipelines []*config.Pipeline, yield func(p *config.Pipeline, step config.Step, s host.Settings)) {
	for _, p := range pipelines {
		for _, step := range p.Transforms {
			if s, ok := step.Settings.(*host.Settings); ok {
				yield(p, step, *s)
			}
		}
	}
}

// checkPlugins starts each plugin once, and has it look at its settings.
func (c Components) checkPlugins(ctx context.Context, pipelines []*config.Pipeline, log *slog.Logger) error {
	var errs config.Errors
	eachPlugin(pipelines, func(p *config.Pipeline, step config.Step, s host.Settings) {
		plugin, err := host.New(s, p.Name, filepath.Dir(p.At.File), log)
		var problems []pipeline.Problem
		if err == nil {
			problems, err = plugin.Check(ctx)
		}
		if err != nil {
			errs = append(errs, mistakeAt(step.At, err))
			return
		}
		for i, problem := range problems {
			problems[i].Field = strings.TrimSuffix("settings."+problem.Field, ".")
		}
		errs = append(errs, p.Locate(step.Use, problems)...)
	})
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// mistakeAt makes an error one of the file.
func mistakeAt(at config.Place, err error) config.Error {
	if e, ok := errors.AsType[*pipeline.Error](err); ok {
		what := e.What
		if e.Err != nil {
			what += ": " + e.Err.Error()
		}
		return config.Error{At: at, What: what, Do: e.Do}
	}
	return config.Error{At: at, What: err.Error(), Do: "see what the plugin logs"}
}
