package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/plugins/host"
	"github.com/penstock-io/penstock/transforms"
	"github.com/penstock-io/penstock/transforms/expr"
	"github.com/penstock-io/penstock/transforms/format"
)

// stages makes the stages between source and sink: the reading format, the
// steps, the key, the writing format. A pipeline whose records go through as they
// come has none.
func (c Components) stages(p *config.Pipeline, env Environment) (*stageList, error) {
	l := &stageList{onError: p.OnError}
	env.Pipeline, env.Lasting, env.Dir = p.Name, c.source(p).Lasting, filepath.Dir(p.At.File)
	if redis := c.source(p).Redis; redis != nil {
		env.Redis = redis(p.Source.Settings)
	}
	env.Format = func(named pipeline.Named) (pipeline.Format, error) { return c.format(named, env) }
	if in := p.Source.Format; in != nil && in.Component != bytesFormat {
		reads, err := env.Format(pipeline.Named{Component: in.Component, Settings: in.Settings})
		l.add("source.format", in.At, format.NewReader(reads), err)
	}
	for i, step := range p.Transforms {
		name := fmt.Sprintf("transforms[%d].%s", i, step.Component)
		transform, err := c.transform(step).build(env, step.Settings)
		if holds, ok := transform.(io.Closer); ok && err == nil {
			l.closers = append(l.closers, holds)
		}
		if p, ok := transform.(*host.Plugin); ok && err == nil {
			l.plugins = append(l.plugins, namedPlugin{name, p})
		}
		if m, ok := transform.(memory); ok && err == nil {
			l.memories = append(l.memories, namedMemory{name, m})
		}
		if err == nil && step.When != "" {
			transform, err = transforms.NewWhen(step.When, transform)
		}
		l.add(name, step.At, transform, err)
		if step.OnError != nil && err == nil {
			last := &l.stages[len(l.stages)-1]
			last.OnError, last.Retry = policy(*step.OnError), retry(*step.OnError)
		}
	}
	if key := c.key(p); key != "" {
		transform, err := transforms.NewKey(key)
		l.add("sink.key", p.Sink.At, transform, err)
	}
	if partition := c.partition(p); partition != "" {
		transform, err := transforms.NewPartition(partition)
		l.add("sink.partition", p.Sink.At, transform, err)
	}
	switch out := p.Sink.Format; {
	case out != nil:
		writes, err := env.Format(pipeline.Named{Component: out.Component, Settings: out.Settings})
		l.add("sink.format", p.Sink.At, format.NewWriter(writes), err)
	case len(l.stages) > 0:
		l.add("sink.format", p.Sink.At, format.NewWriter(nil), nil)
	}
	if len(l.errs) > 0 {
		closeAll(l.closers)
	}
	return l, errors.Join(l.errs...)
}

// closeAll closes what transforms hold open.
func closeAll(all []io.Closer) {
	for _, one := range all {
		one.Close() //nolint:errcheck // nothing depends on it
	}
}

// checkWritten finds a format of the sink that is only for reading.
func (c Components) checkWritten(p *config.Pipeline) config.Errors {
	if p.Sink.Format == nil {
		return nil
	}
	var env Environment
	env.Format = func(named pipeline.Named) (pipeline.Format, error) { return c.format(named, env) }
	writes, err := env.Format(pipeline.Named{Component: p.Sink.Format.Component, Settings: p.Sink.Format.Settings})
	if err == nil {
		err = format.Writable(writes)
	}
	if err == nil {
		return nil
	}
	found := config.Error{At: p.Sink.Format.At, What: "sink.format: " + err.Error(), Do: "see penstock components " + p.Sink.Format.Component}
	if e, ok := errors.AsType[*pipeline.Error](err); ok {
		found.What, found.Do = "sink.format: "+e.What, e.Do
	}
	return config.Errors{found}
}

// stageList is a list of stages as it grows.
type stageList struct {
	onError  config.OnError
	stages   []engine.Stage
	memories []namedMemory
	plugins  []namedPlugin
	closers  []io.Closer
	errs     []error
}

// memory is a transform that remembers keys, up to a number.
type memory interface {
	Keys() int       // how many it remembers
	Evicted() uint64 // how many it forgot early, for want of room
}

type namedMemory struct {
	transform string // "transforms[1].dedupe"
	memory
}

type namedPlugin struct {
	transform string // "transforms[1].plugin"
	*host.Plugin
}

// add takes a stage as it was made, or the reason why it was not.
func (l *stageList) add(name string, at config.Place, transform pipeline.Transform, err error) {
	if err != nil {
		l.errs = append(l.errs, invalid{fmt.Errorf("%s: %s: %w", at, name, err)})
		return
	}
	l.stages = append(l.stages, engine.Stage{Name: name, Transform: transform, OnError: policy(l.onError), Retry: retry(l.onError)})
}

func policy(o config.OnError) engine.Policy {
	switch o.Then {
	case "drop":
		return engine.Drop
	case "dead_letter":
		return engine.DeadLetter
	default:
		return engine.Halt
	}
}

// retry says how often a stage is tried again.
func retry(o config.OnError) engine.Retry {
	if o.Retry == nil {
		return engine.Retry{}
	}
	return engine.Retry{Attempts: o.Retry.Attempts, Backoff: o.Retry.Backoff}
}

// giveUp says when so much is refused that the pipeline halts.
func giveUp(o config.OnError) engine.GiveUp {
	if o.GiveUpAfter == nil {
		return engine.GiveUp{}
	}
	return engine.GiveUp{Failures: o.GiveUpAfter.Failures, Within: o.GiveUpAfter.Within}
}

// checkExpression finds the mistakes of an expression for package config.
func checkExpression(e pipeline.Expression, condition bool) config.ExpressionCheck {
	want := expr.Anything
	if condition {
		want = expr.Condition
	}
	program, err := expr.Compile(e, want)
	var found config.ExpressionCheck
	if mistakes, ok := errors.AsType[expr.Mistakes](err); ok {
		for _, m := range mistakes {
			found.Problems = append(found.Problems, config.ExpressionProblem{
				At: config.ExpressionPlace{Line: m.Line, Col: m.Col}, What: m.What, Do: m.Do})
		}
		return found
	}
	if field, ok := program.Field(); ok {
		found.Field, found.At = field.Path, config.ExpressionPlace{Line: field.Line, Col: field.Col}
	}
	return found
}
