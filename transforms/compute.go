package transforms

import (
	"context"
	"maps"
	"slices"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// ComputeSettings are the settings of compute.
type ComputeSettings struct {
	Values map[string]pipeline.Expression `yaml:",whole" required:"true" path:"true" example:"{value.total: value.price * value.quantity}" doc:"Expressions by the part of the record their result is written to: a field of the value, headers.name, key or topic. All of them see the record as it was before. An optional without a value leaves a field as it is; it, or null, takes a header, the key or the topic away. Fields that are new come last, sorted by name."`
}

// Validate finds targets that cannot be written.
func (s ComputeSettings) Validate() []pipeline.Problem {
	targets, problems := s.targets()
	return append(problems, collisions(targets, itself)...)
}

func (s ComputeSettings) targets() ([]target, []pipeline.Problem) {
	return parseTargets(slices.Collect(maps.Keys(s.Values)), itself)
}

// Compute writes the results of expressions into records.
type Compute struct {
	targets  []target
	programs []*expr.Program // by target
}

// NewCompute makes a compute. The error is the first that Validate finds, or of
// an expression.
func NewCompute(s ComputeSettings) (*Compute, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	targets, _ := s.targets()
	c := &Compute{targets: targets}
	for _, t := range targets {
		program, err := expr.Compile(s.Values[t.text], expr.Anything)
		if err != nil {
			return nil, err
		}
		c.programs = append(c.programs, program)
	}
	return c, nil
}

// result is what an expression gave.
type result struct {
	content []byte
	ok      bool
}

// Apply evaluates all expressions on a record, and then writes their results. An
// error of one is an error of the record.
func (c *Compute) Apply(_ context.Context, b *pipeline.Batch) error {
	results := make([]result, len(c.programs))
	for r := range b.Live {
		err := c.evaluate(b, r, results)
		for i := 0; i < len(results) && err == nil; i++ {
			if t := &c.targets[i]; results[i].ok || t.part != valuePart {
				err = t.write(b, r, results[i].content, results[i].ok)
			}
		}
		if err != nil {
			r.Fail(err)
		}
	}
	return nil
}

func (c *Compute) evaluate(b *pipeline.Batch, r *pipeline.Record, results []result) error {
	for i, program := range c.programs {
		give := program.Bytes
		if c.targets[i].part == valuePart {
			give = program.JSON
		}
		var err error
		if results[i].content, results[i].ok, err = give(b, r); err != nil {
			return err
		}
	}
	return nil
}
