package trial

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// Step is what one stage has made of a record.
type Step struct {
	Stage string
	Split bool // it has made several of one
	// Records are as they left the stage, in order, those that had ended before it too.
	Records []Seen
}

// Seen is one record behind a stage.
type Seen struct {
	Changed bool // by the stage
	Outcome
	// By is the stage in which it has ended; empty: it has not, or that is not known, since
	// a later one has made several of another record.
	By string
}

// Follow carries a batch of one record through stages, and tells what each has made of it.
// The steps end with one after which nothing goes further. The error is of the stages:
// one has failed, and refused no record.
func Follow(ctx context.Context, b *pipeline.Batch, stages []engine.Stage) ([]Step, error) {
	if len(b.Records) != 1 {
		return nil, fmt.Errorf("a batch of %d records cannot be followed", len(b.Records))
	}
	ctx, stages = withoutPauses(ctx), slices.Clone(stages)
	before := []Seen{{Outcome: outcomesOf(b)[0]}}
	var steps []Step
	for i := range stages {
		stages[i].Retry = engine.Retry{}
		now, err := carry(ctx, b, stages[i:i+1])
		if err != nil {
			return steps, err
		}
		steps = append(steps, step(stages[i].Name, before, now))
		before = steps[len(steps)-1].Records
		if slices.ContainsFunc(now, halted) || !slices.ContainsFunc(now, goesOn) {
			break
		}
	}
	return steps, nil
}

func goesOn(o Outcome) bool { return o.Fate == pipeline.Deliver }

// step compares records before and behind a stage.
func step(stage string, before []Seen, now []Outcome) Step {
	s := Step{Stage: stage, Split: len(now) > len(before)}
	for i, o := range now {
		seen := Seen{Outcome: o}
		switch {
		case s.Split:
			seen.Changed = goesOn(o)
		case goesOn(o):
			seen.Changed = !before[i].Record.equal(o.Record)
		case goesOn(before[i].Outcome):
			seen.By = stage
		default:
			seen.By = before[i].By
		}
		s.Records = append(s.Records, seen)
	}
	return s
}

// OutcomeName gives what tests call the fate of a record that does not go out.
func OutcomeName(f pipeline.Fate) string { return outcomeNames[f] }

// Came is the record of a batch as it came from the source.
func Came(b *pipeline.Batch) Record { return recordOf(&b.Records[0]) }

// equal tells whether two records would go out the same.
func (r *Record) equal(o Record) bool {
	return bytes.Equal(r.Key, o.Key) && (r.Key == nil) == (o.Key == nil) && bytes.Equal(r.Value, o.Value) && r.Topic == o.Topic && r.Time.Equal(o.Time) &&
		slices.EqualFunc(r.Headers, o.Headers, func(a, b pipeline.Header) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) })
}
