package transforms

import (
	"context"

	"github.com/penstock-io/penstock/pipeline"
)

// DropSettings are the settings of drop.
type DropSettings struct {
	Paths []string `yaml:",whole" required:"true" path:"true" example:"[value.ip, headers.cookie]" doc:"The parts of the record to leave out: fields of the value, headers.name, key or topic. What is missing already is no error. A name that an object has twice goes altogether."`
}

// Validate finds paths that cannot be left out.
func (s DropSettings) Validate() []pipeline.Problem {
	_, problems := s.targets()
	return problems
}

func (s DropSettings) targets() ([]target, []pipeline.Problem) {
	targets, problems := parseTargets(s.Paths, nowhere)
	for _, t := range targets {
		if t.part == valuePart && len(t.names) == 0 {
			problems = append(problems, pipeline.Problem{What: "the whole value cannot be left out", Do: "name its fields, or use filter"})
		}
	}
	return targets, problems
}

// Drop takes parts of records away.
type Drop struct {
	targets []target
}

// NewDrop makes a drop. The error is the first that Validate finds.
func NewDrop(s DropSettings) (*Drop, error) {
	targets, problems := s.targets()
	if err := firstOf(problems); err != nil {
		return nil, err
	}
	return &Drop{targets}, nil
}

// Apply takes the parts away. A field below something that is no object is an
// error of the record.
func (d *Drop) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		for i := range d.targets {
			if err := d.targets[i].remove(b, r); err != nil {
				r.Fail(err)
				break
			}
		}
	}
	return nil
}

// remove takes the target away, if it is there.
func (t *target) remove(b *pipeline.Batch, r *pipeline.Record) error {
	if t.part == valuePart {
		_, err := r.Value.Delete(t.names)
		return err
	}
	if t.part == headerPart && !hasHeader(r.Headers, t.names[0]) {
		return nil
	}
	return t.write(b, r, nil, false)
}
