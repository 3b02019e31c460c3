package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/penstock-io/penstock/pipeline"
)

// Catalog lists the components that files may name, in the order in which the
// reference shows them.
type Catalog struct {
	Sources    []Component
	Transforms []Component
	Formats    []Component
	Sinks      []Component
	// CheckExpression compiles an expression, to find its mistakes. condition is
	// true where the result has to be true or false. nil: nothing is checked.
	CheckExpression func(e pipeline.Expression, condition bool) ExpressionCheck
	// CheckRedis finds the mistakes of the url of a Redis, under the field url. nil:
	// nothing is checked.
	CheckRedis func(url pipeline.Secret) []pipeline.Problem
}

// Component is a source, transform, format or sink as a file names it.
type Component struct {
	Name    string
	Doc     string // a first line that can stand alone, then paragraphs
	Example string // YAML, as it would stand in a file
	// Settings makes a pointer to a new struct of settings (see the package's
	// comment for its tags). nil: the component has no settings.
	Settings func() any
	// Best is the strongest guarantee a source or sink can keep, and BestWith that
	// with settings that were decoded without mistake; nil: Best, whatever they are.
	Best     pipeline.Delivery
	BestWith func(settings any) pipeline.Delivery
	// Fields says, of settings that were made by Settings and decoded without
	// mistake, whether the values that leave the component have fields. A source
	// for which it is true takes no format. nil: they have none, or, for a
	// transform, those they had.
	Fields func(settings any) bool
	// Inner gives the format that a format's settings name, whose values are those of the
	// format: Fields says of that one whether they have fields. nil: it names none.
	Inner func(settings any) pipeline.Named
	// Redis says of a source's settings, as Fields, whether it reads a Redis, which keeps
	// the pipeline's lease, and can keep its dead letters, too. nil: no.
	Redis func(settings any) bool
}

// Keeps is the strongest guarantee of the component with its settings.
func (c Component) Keeps(settings any) pipeline.Delivery {
	if c.BestWith == nil {
		return c.Best
	}
	return c.BestWith(settings)
}

// ExpressionCheck is what CheckExpression finds.
type ExpressionCheck struct {
	Problems []ExpressionProblem
	// Field is the first field of the value that the expression reads, as it
	// stands there ("value.action"), and At its place. Empty: none.
	Field string
	At    ExpressionPlace
}

// ExpressionProblem is a mistake in an expression.
type ExpressionProblem struct {
	At   ExpressionPlace
	What string // what is wrong
	Do   string // what to write; may be empty
}

// ExpressionPlace is a place inside an expression. Both count from 1, columns in
// characters (not bytes).
type ExpressionPlace struct {
	Line, Col int
}

// kind is one of the four lists of a catalog, by its name in messages.
type kind string

const (
	sources    kind = "source"
	transforms kind = "transform"
	formats    kind = "format"
	sinks      kind = "sink"
)

func kinds() []kind { return []kind{sources, transforms, formats, sinks} }

func (c *Catalog) list(k kind) []Component {
	switch k {
	case sources:
		return c.Sources
	case transforms:
		return c.Transforms
	case formats:
		return c.Formats
	default:
		return c.Sinks
	}
}

func (c *Catalog) find(k kind, name string) (Component, bool) {
	list := c.list(k)
	i := slices.IndexFunc(list, func(c Component) bool { return c.Name == name })
	if i < 0 {
		return Component{}, false
	}
	return list[i], true
}

func (c *Catalog) names(k kind) []string {
	var names []string
	for _, component := range c.list(k) {
		names = append(names, component.Name)
	}
	return names
}

// Check finds components that no file could name: without a name, with that of
// another one, or with that of a setting that stands beside it.
func (c *Catalog) Check() error {
	beside := map[kind]reflect.Type{sources: reflect.TypeFor[Source](), transforms: reflect.TypeFor[Step](), sinks: reflect.TypeFor[Sink]()}
	var errs []error
	for _, k := range kinds() {
		var taken shape
		if t, ok := beside[k]; ok {
			taken = shapeOf(t)
		}
		seen := map[string]bool{}
		for i, name := range c.names(k) {
			_, setting := taken.find(name)
			switch {
			case name == "":
				errs = append(errs, fmt.Errorf("%s number %d of %d has no name", k, i+1, len(c.list(k))))
			case setting:
				errs = append(errs, fmt.Errorf("%s %s: that is the name of a setting beside it; call it otherwise", k, name))
			case seen[name]:
				errs = append(errs, fmt.Errorf("%s %s: there are two of that name; call one of them otherwise, or leave it out", k, name))
			}
			seen[name] = true
		}
	}
	return errors.Join(errs...)
}
