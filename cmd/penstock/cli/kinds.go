package cli

import (
	"io"
	"log/slog"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// surroundings are what components may use of the process.
type surroundings struct {
	log    *slog.Logger
	stdin  io.Reader
	stdout io.Writer
	clock  pipeline.Clock
	// drainOnce makes scheduled sources read at once.
	drainOnce bool
	// delivery is the guarantee that the pipeline asks for, instance what it is
	// called in this run.
	delivery pipeline.Delivery
	instance string
}

// A source, transform or sink that is built in: what a file may say of it, how it
// is made from that, and what explain says of it.
type (
	sourceKind struct {
		config.Component
		build func(s surroundings, settings any) (pipeline.Source, error)
		// keeps says why its guarantee holds, order what order it gives.
		keeps, order string
		// asks are what only the server can tell, and what hangs on it.
		asks []string
		// with says it otherwise for some settings; nil: they make no difference.
		with func(settings any, k sourceKind) sourceKind
	}
	transformKind struct {
		config.Component
		build func(s surroundings, settings any) (pipeline.Transform, error)
		// but says where it weakens the guarantee; empty: nowhere.
		but string
	}
	sinkKind struct {
		config.Component
		build func(s surroundings, settings any, deadLetter string) (pipeline.Sink, error)
		// key gives the expression that makes the record's key; nil: it takes none.
		key func(settings any) pipeline.Expression
		// partition gives the expression that makes the record's partition, and spread
		// what becomes of the order where settings, and not keys, spread records; nil:
		// it has no such settings.
		partition func(settings any) pipeline.Expression
		spread    func(settings any) string
		// positions: the sink stores positions.
		positions bool
		// keeps says why its guarantee holds, order what becomes of the order
		// (unordered: where records have no key).
		keeps, order, unordered string
		asks                    []string
		// weaker is what it is where a pipeline asks for less than its best; nil: the
		// same.
		weaker func(k sinkKind) sinkKind
	}
)

// sourceOf lets a source be made from settings of its own type.
func sourceOf[T any, S pipeline.Source](k sourceKind, build func(surroundings, T) (S, error)) sourceKind {
	k.Settings = func() any { return new(T) }
	k.build = func(s surroundings, settings any) (pipeline.Source, error) { return build(s, *settings.(*T)) }
	return k
}

// transformOf lets a transform be made from settings of its own type.
func transformOf[T any, R pipeline.Transform](k transformKind, build func(surroundings, T) (R, error)) transformKind {
	k.Settings = func() any { return new(T) }
	k.build = func(s surroundings, settings any) (pipeline.Transform, error) { return build(s, *settings.(*T)) }
	return k
}

// sinkOf lets a sink be made from settings of its own type.
func sinkOf[T any, S pipeline.Sink](k sinkKind, build func(s surroundings, settings T, deadLetter string) (S, error)) sinkKind {
	k.Settings = func() any { return new(T) }
	k.build = func(s surroundings, settings any, deadLetter string) (pipeline.Sink, error) {
		return build(s, *settings.(*T), deadLetter)
	}
	return k
}

// catalog lists the components for package config.
func catalog() *config.Catalog {
	c := &config.Catalog{CheckExpression: checkExpression, Formats: formats()}
	for _, k := range sources() {
		c.Sources = append(c.Sources, k.Component)
	}
	for _, k := range transformKinds() {
		c.Transforms = append(c.Transforms, k.Component)
	}
	for _, k := range sinks() {
		c.Sinks = append(c.Sinks, k.Component)
	}
	return c
}
