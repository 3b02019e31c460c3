package cli

import (
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// Components are what pipeline files may name, in the order in which the reference
// shows them. Begin with BuiltIn and add to it.
type Components struct {
	// Name is what the program calls itself in its help and version; empty: penstock.
	Name string

	Sources    []Source
	Transforms []Transform
	Formats    []Format
	Sinks      []Sink
}

// catalog lists the components for package config.
func (c Components) catalog() *config.Catalog {
	return &config.Catalog{
		CheckExpression: checkExpression, CheckRedis: checkRedis,
		Sources: componentsOf(c.Sources), Transforms: componentsOf(c.Transforms),
		Formats: componentsOf(c.Formats), Sinks: componentsOf(c.Sinks),
	}
}

func componentsOf[T interface{ component() config.Component }](list []T) []config.Component {
	all := make([]config.Component, len(list))
	for i, one := range list {
		all[i] = one.component()
	}
	return all
}

// check finds the mistakes of who wrote the list: what cannot be named, what cannot
// be built, and what does not say what it promises.
func (c Components) check() error {
	errs := []error{c.catalog().Check()}
	refuse := func(kind, name, what, do string) {
		if what != "" {
			errs = append(errs, fmt.Errorf("%s %s: %s; %s", kind, name, what, do))
		}
	}
	for _, s := range c.Sources {
		what, do := s.fault()
		refuse("source", s.Name, what, do)
		what, do = unexplained(s.Keeps, s.Order)
		refuse("source", s.Name, what, do)
	}
	for _, t := range c.Transforms {
		what, do := t.fault()
		refuse("transform", t.Name, what, do)
	}
	for _, f := range c.Formats {
		what, do := f.fault()
		refuse("format", f.Name, what, do)
	}
	for _, s := range c.Sinks {
		what, do := s.fault()
		refuse("sink", s.Name, what, do)
		what, do = unexplained(s.Keeps, s.Order)
		refuse("sink", s.Name, what, do)
		if s.Best == pipeline.ExactlyOnce && !s.Positions {
			refuse("sink", s.Name, "it keeps exactly_once, and stores no positions", "set Positions where it does, or Best to pipeline.AtLeastOnce")
		}
	}
	if err := errors.Join(errs...); err != nil {
		return invalid{fmt.Errorf("the list of components is wrong:\n%w", err)}
	}
	return nil
}

// unexplained tells what explain would have nothing to say of.
func unexplained(keeps, order string) (what, do string) {
	switch {
	case keeps == "":
		return "it does not say why its guarantee holds", "set Keeps"
	case order == "":
		return "it does not say what order it gives", "set Order"
	}
	return "", ""
}

// The file was validated, so each of these finds one.

func (c Components) source(p *config.Pipeline) Source {
	s := pick(c.Sources, func(s Source) bool { return s.Name == p.Source.Component })
	if s.With != nil {
		s.SourceInfo = s.With(p.Source.Settings, s.SourceInfo)
	}
	return s
}

func (c Components) transform(step config.Step) Transform {
	return pick(c.Transforms, func(t Transform) bool { return t.Name == step.Component })
}

// format makes a format with its settings.
func (c Components) format(named pipeline.Named, env Environment) (pipeline.Format, error) {
	f := pick(c.Formats, func(f Format) bool { return f.Name == named.Component })
	if named.Settings == nil {
		named.Settings = f.fresh() // it has none
	}
	return f.build(env, named.Settings)
}

func (c Components) sink(p *config.Pipeline) Sink {
	s := pick(c.Sinks, func(s Sink) bool { return s.Name == p.Sink.Component })
	if s.Weaker != nil && p.Delivery < s.Best {
		s.SinkInfo = s.Weaker(s.SinkInfo)
	}
	return s
}

// key gives the expression that makes the records' keys, empty where none does.
func (c Components) key(p *config.Pipeline) pipeline.Expression {
	if key := c.sink(p).Key; key != nil {
		return key(p.Sink.Settings)
	}
	return ""
}

// partition gives the expression that makes the records' partitions, empty where none
// does.
func (c Components) partition(p *config.Pipeline) pipeline.Expression {
	if partition := c.sink(p).Partition; partition != nil {
		return partition(p.Sink.Settings)
	}
	return ""
}

func pick[T any](from []T, fits func(T) bool) T { return from[slices.IndexFunc(from, fits)] }
