package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// shard carries one shard of the source through the router: it is the
// subscriber of the shard's handler, and its publisher.
type shard struct {
	session *session
	name    string
	reader  pipeline.Reader
	share   *room // of the window
	moved   bool  // it does not start where the sink says it was
	settled atomic.Pointer[pipeline.Position]
	out     chan *message.Message

	// written is the position after the last batch that a transaction holds. The
	// batch whose ticket is up sets it; the reading goroutine reads it when no
	// batch is under way.
	written pipeline.Position
}

var (
	_ message.Subscriber = (*shard)(nil)
	_ message.Publisher  = (*shard)(nil)
)

// Subscribe gives the messages of the shard, a batch each. The channel closes
// with the session: a router all of whose handlers have ended takes no new ones.
func (sh *shard) Subscribe(context.Context, string) (<-chan *message.Message, error) {
	return sh.out, nil
}

// Close does nothing: the session closes the reader, and the router closes a
// handler's publisher while batches are still under way.
func (sh *shard) Close() error { return nil }

// run reads, generation after generation, until the session stops reading or
// the shard is at its end. What cannot pass halts the session.
func (sh *shard) run() {
	backoff := newBackoff()
	for careful := false; ; careful = true {
		began := time.Now()
		err := sh.generation(careful)
		switch {
		case sh.session.reading.Err() != nil:
			return
		case errors.Is(err, pipeline.ErrEnd):
			sh.session.ended.Add(1)
			wake(sh.session.end)
			return
		case final(err):
			sh.session.halt(err)
			return
		}
		if time.Since(began) > backoffForgets {
			backoff = newBackoff()
		}
		sh.session.task.state.trouble(batchTrouble+sh.name, err)
		if !sleep(sh.session.reading, backoff.next()) {
			return
		}
		if err := sh.reader.Rewind(sh.written); err != nil {
			sh.session.fail(err)
			return
		}
	}
}

// generation reads until a batch fails or reading ends, and returns when
// nothing of the generation is under way any more. A careful one begins with one batch.
func (sh *shard) generation(careful bool) error {
	s := sh.session
	g := newGeneration(pipeline.WithPause(s.ctx, s.pause), s.task.orderedPlaces(), careful)
	reading, stop := context.WithCancel(s.reading)
	defer context.AfterFunc(g.ctx, stop)()
	defer stop()
	var underWay sync.WaitGroup
	err := sh.read(reading, g, &underWay)
	underWay.Wait()
	failed := context.Cause(g.ctx)
	g.fail(nil)
	if failed == nil {
		return err
	}
	if s.commit() == nil { // what was written before the failure does not come again
		s.task.givenUp(sh.name)
	}
	return failed
}

// read sends batch after batch. A server that does not answer is waited for
// here: nothing of what was read before is at fault.
func (sh *shard) read(ctx context.Context, g *generation, underWay *sync.WaitGroup) error {
	s := sh.session
	backoff := newBackoff()
	for {
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if g.ctx.Err() != nil { // ctx ends a moment later
			return g.ctx.Err()
		}
		c, err := sh.next(ctx)
		if c == nil {
			<-g.slots
		}
		switch {
		case err == nil:
		case ctx.Err() != nil || errors.Is(err, pipeline.ErrEnd) || isPanic(err) || final(err):
			return err
		default:
			s.task.state.trouble(shardTrouble+sh.name, err)
			if !sleep(ctx, backoff.next()) {
				return ctx.Err()
			}
			continue
		}
		s.task.state.well(shardTrouble + sh.name)
		backoff = newBackoff()
		if c == nil {
			continue
		}
		c.gen, c.tickets, c.done, c.inside = g, g.tickets(), underWay, make(chan struct{}, 1)
		underWay.Add(1)
		s.underWay.Add(1)
		s.task.at(Read)
		sh.out <- c.message() // the router takes it at once, and always
	}
}

// next waits for the next batch and reads it; nil: there was nothing after all.
func (sh *shard) next(ctx context.Context) (*carried, error) {
	s := sh.session
	if err := s.task.gate.pass(ctx); err != nil {
		return nil, err
	}
	if err := sh.reader.Wait(ctx); err != nil {
		return nil, err
	}
	if err := s.task.gate.pass(ctx); err != nil { // it was shut while nothing came
		return nil, err
	}
	limit := pipeline.Limit{Records: s.task.isolation.records(), Bytes: s.task.cfg.Batch.Bytes}
	c, err := s.window.take(ctx, sh.share, limit.Bytes)
	if err != nil {
		return nil, err
	}
	c.batch.Shard = sh.name
	if err := sh.reader.Read(ctx, c.batch, limit); err != nil {
		s.window.give(c)
		return nil, err
	}
	if c.batch.After == (pipeline.Position{}) {
		s.window.give(c)
		return nil, nil
	}
	for i := range c.batch.Records {
		r := &c.batch.Records[i]
		r.Original = r.Value.Raw()
		if r.Fate == pipeline.Failed && r.Failure.Stage == "" {
			r.Failure.Stage = "source"
		}
	}
	c.tapped = s.task.tap.take(c.batch)
	s.window.fit(c)
	c.full = c.batch.Read >= limit.Records || c.batch.Bytes >= limit.Bytes
	return c, nil
}

// Publish takes a batch that has been through the stages, waits for its ticket
// and writes it to the lane. A batch that failed, or comes after one that did,
// is given up. It never returns an error: the router would log the message.
func (sh *shard) Publish(_ string, messages ...*message.Message) error {
	for _, msg := range messages {
		sh.publish(carriedIn(msg))
	}
	return nil
}

func (sh *shard) publish(c *carried) {
	s := sh.session
	defer c.done.Done()
	defer func() { <-c.gen.slots }()
	ticket := c.tickets[len(c.tickets)-1]
	refused := !ticket.wait(c.gen.ctx)
	if refused || c.err != nil {
		if !refused {
			c.gen.fail(c.err)
		}
		s.underWay.Add(-1)
		s.window.give(c)
		return
	}
	after := c.batch.After
	if err := s.write(c); err != nil { // the session ends
		c.gen.fail(err)
		return
	}
	sh.written = after
	ticket.pass()
	c.gen.passed()
	s.task.state.well(batchTrouble + sh.name)
}
