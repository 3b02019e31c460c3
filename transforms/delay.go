package transforms

import (
	"context"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// DelaySettings are the settings of delay.
type DelaySettings struct {
	For time.Duration `yaml:",whole" required:"true" min:"1ms" example:"5m" doc:"How old a record is to be when it goes on. Its age counts from its time: that of a stream's entry, of a record of Kafka, or what timestamp has made of a field. Items of a list have none: theirs counts from when they were read."`
}

// Delay lets records go on when they are old enough.
type Delay struct {
	by    time.Duration
	clock pipeline.Clock
}

// NewDelay makes a delay. Its error is always nil.
func NewDelay(s DelaySettings, clock pipeline.Clock) (*Delay, error) {
	return &Delay{s.For, clock}, nil
}

// Apply holds the batch until its newest record is old enough; one whose time is still to
// come counts as one of now. The error is that of pipeline.Pause.
func (d *Delay) Apply(ctx context.Context, b *pipeline.Batch) error {
	var newest time.Time
	for r := range b.Live {
		if r.Time.After(newest) {
			newest = r.Time
		}
	}
	wait := min(newest.Add(d.by).Sub(d.clock()), d.by)
	if newest.IsZero() || wait <= 0 {
		return nil
	}
	return pipeline.Pause(ctx, wait)
}
