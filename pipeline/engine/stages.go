package engine

import (
	"context"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// passOn is the router's handler: the work is done by the middlewares around it.
func passOn(msg *message.Message) ([]*message.Message, error) { return message.Messages{msg}, nil }

// middlewares gives the handler's middlewares, outermost first: one that turns
// every failure into a failed batch, those that were handed in, one a stage, and the
// sink's own check.
func (s *session) middlewares() []message.HandlerMiddleware {
	out := append([]message.HandlerMiddleware{s.failedBatch}, s.task.cfg.Middlewares...)
	out = append(out, s.within)
	place := 0
	for _, stage := range s.task.cfg.Stages {
		_, ordered := stage.Transform.(pipeline.Ordered)
		if ordered {
			out = append(out, s.orderedStage(stage, place))
			place++
		} else {
			out = append(out, s.stage(stage))
		}
	}
	return append(out, s.sinkCheck)
}

// orderedPlaces counts the places of a batch's tickets: the ordered stages and
// the lane.
func (e *Engine) orderedPlaces() int {
	n := 1
	for _, stage := range e.cfg.Stages {
		if _, ordered := stage.Transform.(pipeline.Ordered); ordered {
			n++
		}
	}
	return n
}

// failedBatch carries a failed batch on: the router would nack it without a
// call to Publish, and the ticket would never come.
func (s *session) failedBatch(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		c, ctx := carriedIn(msg), msg.Context()
		c.err = c.left(s.handle("a middleware", c, next, msg))
		msg.SetContext(ctx) // a middleware may have put another one there
		return message.Messages{msg}, nil
	}
}

// stage applies one transform and decides about the records it refused.
func (s *session) stage(stage Stage) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(msg *message.Message) ([]*message.Message, error) {
			c := carriedIn(msg)
			if err := stage.Apply(msg.Context(), c.batch); err != nil {
				return nil, err
			}
			c.tapped.after(stage.Name, c.batch)
			return next(msg)
		}
	}
}

// orderedStage is a stage that takes the batches of a shard in order.
func (s *session) orderedStage(stage Stage, place int) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(msg *message.Message) ([]*message.Message, error) {
			c := carriedIn(msg)
			if !c.tickets[place].wait(c.gen.ctx) {
				return nil, c.gen.ctx.Err()
			}
			if err := stage.Apply(msg.Context(), c.batch); err != nil {
				return nil, err
			}
			c.tapped.after(stage.Name, c.batch)
			c.tickets[place].pass()
			return next(msg)
		}
	}
}

// Apply runs the transform over a batch, again where Retry says so, and gives each
// record that it has refused the fate that OnError says. The error is of the batch as a
// whole; where it halts, the record that was refused is still Failed. ctx is that of the
// message: a middleware may have bounded it.
func (st Stage) Apply(ctx context.Context, b *pipeline.Batch) error {
	before := len(b.Records)
	if err := st.Transform.Apply(ctx, b); err != nil {
		return fmt.Errorf("%s, shard %s: %w", st.Name, b.Shard, err)
	}
	if err := st.retry(ctx, b); err != nil {
		return fmt.Errorf("%s, shard %s: %w", st.Name, b.Shard, err)
	}
	if after := len(b.Records); after < before {
		return &pipeline.Error{Class: pipeline.Permanent,
			What: fmt.Sprintf("%s, shard %s: of %d records the transform left %d", st.Name, b.Shard, before, after),
			Do:   "mend the transform: it gives a record it does not want a Fate, and leaves it in the batch"}
	}
	return decide(b, st.Name, st.OnError)
}

// sinkCheck refuses what the sink will never take.
func (s *session) sinkCheck(next message.HandlerFunc) message.HandlerFunc {
	const name = "sink"
	return func(msg *message.Message) ([]*message.Message, error) {
		c := carriedIn(msg)
		searching := s.task.isolation.active()
		for r := range c.batch.Live {
			if err := s.lane.Check(r); err != nil {
				r.Fail(err)
			} else if searching {
				if err := s.task.isolation.condemned(c.batch.Shard, r.Offset); err != nil {
					r.Fail(err)
				}
			}
		}
		if err := decide(c.batch, name, s.task.cfg.OnSinkError); err != nil {
			return nil, err
		}
		c.tapped.after(name, c.batch)
		s.task.tap.show(c.tapped)
		s.window.fit(c)
		return next(msg)
	}
}

// decide gives each refused record the fate that on_error says.
func decide(b *pipeline.Batch, stage string, policy Policy) error {
	for i := range b.Records {
		r := &b.Records[i]
		if r.Fate != pipeline.Failed {
			continue
		}
		if r.Failure.Stage == "" {
			r.Failure.Stage = stage
		}
		switch policy {
		case Drop:
			r.Fate = pipeline.Dropped
		case DeadLetter:
			r.Fate = pipeline.DeadLettered
		default:
			return &pipeline.Error{Class: pipeline.Permanent,
				What: fmt.Sprintf("%s refused the record at shard %s, position %s", r.Failure.Stage, b.Shard, r.Offset), Err: r.Failure.Err,
				Do: "mend the record or the pipeline, or say on_error: {then: dead_letter} or {then: drop}"}
		}
	}
	return nil
}
