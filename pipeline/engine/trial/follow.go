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
	Stage   string
	Changed bool
	Outcome // the record is as it left the stage
}

// Follow carries a batch of one record through stages, and tells what each has made of it.
// The steps end with one after which the record goes no further. The error is of the stages:
// one has failed, and refused no record.
func Follow(ctx context.Context, b *pipeline.Batch, stages []engine.Stage) ([]Step, error) {
	if len(b.Records) != 1 {
		return nil, fmt.Errorf("a batch of %d records cannot be followed", len(b.Records))
	}
	stages = slices.Clone(stages)
	before := recordOf(&b.Records[0])
	var steps []Step
	for i := range stages {
		stages[i].Retry = engine.Retry{}
		o, err := carry(ctx, b, stages[i:i+1])
		if err != nil {
			return steps, err
		}
		steps = append(steps, Step{Stage: stages[i].Name, Changed: o.Fate == pipeline.Deliver && !before.equal(o.Record), Outcome: o})
		if o.Fate != pipeline.Deliver {
			break
		}
		before = o.Record
	}
	return steps, nil
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
