package watermill

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// publishChunk bounds the messages of one Publish: between two of them a commit can
// be given up.
const publishChunk = 100

// lane holds messages until their commit, which publishes them.
type lane struct {
	sink      *Sink
	id        pipeline.LaneID
	name      laneName
	publisher message.Publisher
	letters   []letter // written and not committed

	closed chan struct{}
	close  sync.Once
}

// letter is a message on its way, and the record it was made of.
type letter struct {
	*message.Message
	topic  string
	shard  string
	offset pipeline.Offset
}

// errFenced is what a lane says that another has taken the place of.
var errFenced = &pipeline.Error{Class: pipeline.Fenced, What: "the lane was opened again"}

// Check refuses a record that has no topic to go to.
func (l *lane) Check(r *pipeline.Record) error {
	if r.Topic == "" && l.sink.config.Topic == "" {
		return &pipeline.Error{Class: pipeline.Permanent, What: "the record has no topic, and neither has the sink", Do: "write topic at the sink, or compute it"}
	}
	return nil
}

// Write makes messages of the records. They outlive the batch: a publisher may keep
// what it was given.
func (l *lane) Write(ctx context.Context, b *pipeline.Batch) error {
	if err := l.usable(ctx); err != nil {
		return err
	}
	now := time.Now()
	for i := range b.Records {
		r := &b.Records[i]
		letter := letter{shard: b.Shard, offset: r.Offset, topic: r.Topic}
		switch r.Fate {
		case pipeline.Deliver:
			letter.Message = l.message(b, r, r.Value.Raw())
			if letter.topic == "" {
				letter.topic = l.sink.config.Topic
			}
		case pipeline.DeadLettered:
			if letter.topic = l.sink.config.DeadLetter; letter.topic == "" {
				return &pipeline.Error{Class: pipeline.Permanent, What: "this sink has no place for dead letters", Do: "write then: drop or then: halt"}
			}
			letter.Message = l.deadLetter(b, r, now)
		default:
			continue
		}
		l.letters = append(l.letters, letter)
	}
	return nil
}

func (l *lane) usable(ctx context.Context) error {
	select {
	case <-l.closed:
		return errClosed
	default:
	}
	l.sink.mu.Lock()
	defer l.sink.mu.Unlock()
	if l.sink.owners[l.name] != l {
		return errFenced
	}
	return ctx.Err()
}

// Commit publishes what was written, in order. One that is given up, since ctx or the
// lane has ended, publishes the call that is under way to its end and no more; the
// next lane waits for that. The positions are not stored.
func (l *lane) Commit(ctx context.Context, _ map[string]pipeline.Position) error {
	if err := l.usable(ctx); err != nil || len(l.letters) == 0 {
		return err
	}
	select {
	case <-l.sink.turn:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.closed:
		return errClosed
	}
	letters := l.letters
	l.letters = nil
	publishing := begin(&l.sink.calls, "the publisher", func() (struct{}, error) {
		defer func() { l.sink.turn <- struct{}{} }()
		return struct{}{}, l.publish(ctx, letters)
	})
	_, err := publishing.wait(ctx, l.closed)
	if err != nil {
		l.end()
	}
	return err
}

// publish publishes letters, a run of one topic a call.
func (l *lane) publish(ctx context.Context, letters []letter) error {
	var messages []*message.Message
	for len(letters) > 0 {
		if err := l.usable(ctx); err != nil {
			return err
		}
		first := letters[0]
		messages = messages[:0]
		for len(letters) > 0 && letters[0].topic == first.topic && len(messages) < publishChunk {
			letters[0].SetContext(ctx)
			messages = append(messages, letters[0].Message)
			letters = letters[1:]
		}
		if err := l.publisher.Publish(first.topic, messages...); err != nil {
			return l.failed(ctx, first, err)
		}
	}
	return nil
}

// failed classes an error of Publish. Which message of the call it was about is not
// known: the engine isolates it.
func (l *lane) failed(ctx context.Context, first letter, err error) error {
	switch refused := l.sink.config.Refused; {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return err
	case refused != nil && refused(err):
		return &pipeline.Refused{Shard: first.shard, Offset: first.offset, Err: err}
	default:
		return &pipeline.Error{Class: pipeline.Unreachable, What: "publishing to topic " + first.topic, Err: err}
	}
}

// Close gives up what is not committed. It does not wait for a Publish that is under
// way; the next Commit does.
func (l *lane) Close(context.Context) error {
	l.end()
	return nil
}

func (l *lane) end() { l.close.Do(func() { close(l.closed) }) }
