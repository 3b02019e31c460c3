package engine

import (
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// within stands inside the middlewares that were handed in, and holds them to their
// contract (Config.Middlewares): a batch goes through the stages once. They see no
// panic of a transform: what it says may hold a payload, and Watermill's Recoverer
// makes a text of it. Nor do they see the error of a batch that is given up because
// another one has failed: it is no failure of its own, and a circuit breaker would count it.
func (s *session) within(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		c := carriedIn(msg)
		if c == nil {
			return nil, misuse("gave the stages a message without the batch", "let it keep the values of the message's context")
		}
		c.inside <- struct{}{}
		defer func() { <-c.inside }()
		if c.entered {
			return nil, misuse("called next a second time, or after it had returned", "leave repeating to the engine: a batch that fails comes again")
		}
		c.entered = true
		c.inner = s.handle("a transform", c, next, msg)
		if c.gen.ctx.Err() != nil {
			return message.Messages{msg}, nil // left knows better
		}
		return message.Messages{msg}, c.inner
	}
}

// handle calls what is inside, and makes an error of a panic of who.
func (s *session) handle(who string, c *carried, next message.HandlerFunc, msg *message.Message) (err error) {
	defer s.task.recovered(who+", on shard "+c.batch.Shard, &err, batchTrouble+c.batch.Shard)
	_, err = next(msg)
	return err
}

// left says that the middlewares have returned, with err. It waits for stages that
// one of them has left running, and lets none begin. It gives the error of the batch:
// one of the stages counts also where a middleware has hidden it.
func (c *carried) left(err error) error {
	c.inside <- struct{}{}
	defer func() { <-c.inside }()
	entered := c.entered
	c.entered = true
	switch {
	case err != nil:
		return err
	case !entered:
		return misuse("returned without an error, and without having called next", "let it call next, or return an error: the batch then comes again")
	default:
		return c.inner
	}
}

func misuse(what, do string) error {
	return &pipeline.Error{Class: pipeline.Permanent, What: "a middleware of the pipeline " + what, Do: do}
}
