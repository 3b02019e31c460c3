package trial

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// Clock is the clock of a test. It is read by the stages while Run moves it.
type Clock struct{ now time.Time }

// NewClock gives the clock at the beginning of every test: 1 January 2026, midnight UTC.
func NewClock() *Clock { return &Clock{time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)} }

// Now tells the test's time.
func (c *Clock) Now() time.Time { return c.now }

// Outcome is what became of a record: as it goes out, or why it does not.
type Outcome struct {
	Fate   pipeline.Fate // Deliver, or why it does not go out; Failed: it halted the pipeline
	Error  string        // "sink.key: …", of a record that was refused
	Record Record        // of one that goes out
}

// Record is a record as it goes out, in memory of its own.
type Record struct {
	Key     []byte // nil: none
	Value   []byte
	Headers []pipeline.Header
	Topic   string // empty: the sink's own, where it has topics
	Time    time.Time
}

// Run carries the records of a test through stages that were made for it, with the
// clock's Now. The outcomes stand in the records' order, those that a stage has made of one
// behind each other, and end with one that halts the pipeline. The error is of the stages: one has failed, and refused no record.
func Run(ctx context.Context, t config.Test, stages []engine.Stage, clock *Clock) ([]Outcome, error) {
	ctx, stages = withoutPauses(ctx), slices.Clone(stages)
	for i := range stages {
		stages[i].Retry = engine.Retry{}
	}
	var outcomes []Outcome
	for i, given := range t.Given {
		b, err := batch(given, i, clock)
		if err != nil {
			return nil, fmt.Errorf("record %d of the test: %w", i+1, err)
		}
		made, err := carry(ctx, b, stages)
		if err != nil {
			return nil, fmt.Errorf("record %d of the test: %w", i+1, err)
		}
		if halts := slices.IndexFunc(made, halted); halts >= 0 { // nothing of the batch goes out
			return append(outcomes, made[halts]), nil
		}
		outcomes = append(outcomes, made...)
	}
	return outcomes, nil
}

// halted tells whether a record has halted the pipeline.
func halted(o Outcome) bool { return o.Fate == pipeline.Failed }

// withoutPauses lets nothing that holds records back wait.
func withoutPauses(ctx context.Context) context.Context {
	return pipeline.WithPause(ctx, func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
}

// carry takes a batch through the stages, up to one that a record halts, and gives what
// has become of its records.
func carry(ctx context.Context, b *pipeline.Batch, stages []engine.Stage) ([]Outcome, error) {
	for _, stage := range stages {
		if err := stage.Apply(ctx, b); err != nil {
			all := outcomesOf(b)
			if !slices.ContainsFunc(all, halted) {
				return nil, err
			}
			return all, nil
		}
	}
	for _, stage := range stages {
		if remembers, ok := stage.Transform.(pipeline.Ordered); ok {
			remembers.Settled(b)
		}
	}
	return outcomesOf(b), nil
}

func outcomesOf(b *pipeline.Batch) []Outcome {
	all := make([]Outcome, len(b.Records))
	for i := range b.Records {
		all[i] = outcomeOf(&b.Records[i])
	}
	return all
}

func outcomeOf(r *pipeline.Record) Outcome {
	o := Outcome{Fate: r.Fate}
	if r.Failure != nil {
		o.Error = r.Failure.Stage + ": " + r.Failure.Err.Error()
	}
	if r.Fate == pipeline.Deliver {
		o.Record = recordOf(r)
	}
	return o
}

// recordOf gives a record memory of its own.
func recordOf(r *pipeline.Record) Record {
	out := Record{Key: slices.Clone(r.Key), Value: slices.Clone(r.Value.Raw()), Topic: r.Topic, Time: r.Time}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, pipeline.Header{Key: h.Key, Value: slices.Clone(h.Value)})
	}
	return out
}
