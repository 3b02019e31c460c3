package engine

import (
	"context"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// carried is a batch on its way through the router, in the context of its
// message. The message has no payload: Watermill logs payloads.
type carried struct {
	batch    *pipeline.Batch
	share    *room // of the window, the shard's own
	reserved int   // bytes of the window
	gen      *generation
	tickets  []ticket // one an ordered stage, the last one for the lane
	err      error    // the batch as a whole has failed
	tapped   *Tapped  // nil: nobody looks
	full     bool     // the source had at least as much as the limit allows
	done     *sync.WaitGroup

	inside  chan struct{} // holds a token while the stages run
	entered bool          // they did, or must not any more
	inner   error         // what they returned
}

type carriedKey struct{}

func (c *carried) message() *message.Message {
	msg := message.NewMessage("", nil)
	msg.SetContext(context.WithValue(c.gen.ctx, carriedKey{}, c))
	return msg
}

func carriedIn(msg *message.Message) *carried {
	c, _ := msg.Context().Value(carriedKey{}).(*carried)
	return c
}
