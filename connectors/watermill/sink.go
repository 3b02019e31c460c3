package watermill

import (
	"context"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// SinkConfig says where a Sink publishes.
type SinkConfig struct {
	Topic string // of records that have none of their own
	// KeyMetadata names the metadata entry that holds the record's key. Empty: keys are
	// not handed on.
	KeyMetadata string
	DeadLetter  string // the topic of dead letters; empty: there is no place for them
	// Refused tells whether an error of Publish means that the publisher will never take
	// the message: on_error decides then. nil: no error does, all are waited out.
	Refused func(error) bool
}

// Sink is a pipeline.Sink over any message.Publisher, at least once: it stores no
// positions, and what was published just before a crash is published again. Commit
// publishes in order, up to 100 messages a call.
//
// A message's payload is the value, its metadata the headers (the last one of a
// name), its UUID the header _watermill_message_uuid; a record without that has one
// that is made of its origin, the same each time that it is published: consumers can
// tell repetitions by it.
type Sink struct {
	connect func() (message.Publisher, error)
	config  SinkConfig

	turn  chan struct{} // holds a token: who has it publishes
	calls sync.WaitGroup

	mu         sync.Mutex
	connecting *call[message.Publisher] // nil: not connected
	owners     map[laneName]*lane
	closed     bool
	close      sync.Once
	err        error // of the publisher's Close
}

// laneName is what two lanes must not share.
type laneName struct {
	pipeline string
	lane     int
}

var _ pipeline.Sink = (*Sink)(nil)

// NewSink makes a sink of a publisher, which belongs to it from then on: Close
// closes it.
func NewSink(p message.Publisher, c SinkConfig) *Sink {
	s := newSink(nil, c)
	s.connecting = begin(&s.calls, "the publisher", func() (message.Publisher, error) { return p, nil })
	return s
}

// newSink makes a sink whose publisher is made when a lane is first opened.
func newSink(connect func() (message.Publisher, error), c SinkConfig) *Sink {
	s := &Sink{connect: connect, config: c, turn: make(chan struct{}, 1), owners: map[laneName]*lane{}}
	s.turn <- struct{}{}
	return s
}

// Open hands out the lane, whose earlier owner in this process loses it; other
// processes are not fenced. There are no positions. Error: Unreachable where the
// publisher cannot connect.
func (s *Sink) Open(ctx context.Context, id pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	publisher, err := s.publisher(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &lane{sink: s, id: id, name: laneName{id.Pipeline, id.Lane}, publisher: publisher, closed: make(chan struct{})}
	s.owners[l.name] = l
	return l, nil, nil
}

func (s *Sink) publisher(ctx context.Context) (message.Publisher, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errClosed
	}
	if s.connecting == nil || s.connecting.over() && s.connecting.err != nil {
		s.connecting = begin(&s.calls, "the publisher", s.connect)
	}
	connecting := s.connecting
	s.mu.Unlock()
	p, err := connecting.wait(ctx, nil)
	if err != nil && ctx.Err() == nil {
		err = &pipeline.Error{Class: pipeline.Unreachable, What: "connecting the publisher", Err: err}
	}
	return p, err
}

// Close closes the publisher, whose error it returns, once a Publish that is under
// way has returned: a publisher need not bear both at once.
func (s *Sink) Close() error {
	s.close.Do(func() {
		s.mu.Lock()
		s.closed = true
		connecting := s.connecting
		for _, l := range s.owners {
			l.end()
		}
		s.mu.Unlock()
		s.calls.Wait()
		if connecting != nil && connecting.err == nil {
			s.err = connecting.value.Close()
		}
	})
	return s.err
}
