package watermill

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

const (
	// uuidHeader is where the stock packages write a message's UUID.
	uuidHeader = "_watermill_message_uuid"
	// gatherFor is how long a Read waits for more, of a subscriber that gives several
	// messages at once.
	gatherFor = 2 * time.Millisecond
)

// reader reads one topic.
type reader struct {
	topic  *topic
	start  pipeline.Position
	next   uint64 // read up to here; Wait, Read and Rewind take turns
	closed chan struct{}
	close  sync.Once
}

// Start is before what is not acknowledged.
func (r *reader) Start() pipeline.Position { return r.start }

// Wait receives one message, where none is held that was not read: it is with the
// subscriber, in memory, anyway.
func (r *reader) Wait(ctx context.Context) error {
	if err := r.usable(ctx); err != nil || r.unread() > 0 {
		return err
	}
	messages, err := r.topic.messages(ctx, r.closed)
	if err != nil {
		return err
	}
	select {
	case m, open := <-messages:
		return r.topic.take(m, open)
	case <-ctx.Done():
		return ctx.Err()
	case <-r.closed:
		return errClosed
	}
}

func (r *reader) usable(ctx context.Context) error {
	select {
	case <-r.closed:
		return errClosed
	default:
		return ctx.Err()
	}
}

func (r *reader) unread() int {
	r.topic.mu.Lock()
	defer r.topic.mu.Unlock()
	return int(r.topic.base + uint64(len(r.topic.held)) - r.next)
}

// Read takes what is held, and what the subscriber gives at once.
func (r *reader) Read(ctx context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	if err := r.usable(ctx); err != nil {
		return err
	}
	now := time.Now()
	wait, stop := context.WithTimeout(ctx, gatherFor)
	defer stop()
	for r.readHeld(b, limit, now) && r.gather(wait) {
		continue
	}
	b.Shard, b.Read, b.After = r.topic.name, len(b.Records), r.topic.position(r.next)
	return nil
}

// readHeld adds what is held to b, and tells whether b has room for more.
func (r *reader) readHeld(b *pipeline.Batch, limit pipeline.Limit, now time.Time) bool {
	t := r.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.held[r.next-t.base:] {
		n := size(m)
		if len(b.Records) > 0 && (len(b.Records) >= limit.Records || b.Bytes+n > limit.Bytes) {
			return false
		}
		r.next++
		record := b.Add()
		fill(record, m, now)
		record.Offset.Minor = r.next
		if t.source.config.Fill != nil {
			t.source.config.Fill(record, m)
			n += len(record.Key)
		}
		b.Bytes += n
	}
	return len(b.Records) < limit.Records && b.Bytes < limit.Bytes
}

// gather receives one more message, where there is one: now, or within the time of
// ctx where the subscriber is known to give several.
func (r *reader) gather(ctx context.Context) bool {
	messages := r.topic.subscribing
	if messages == nil || !messages.over() || messages.err != nil {
		return false
	}
	var m *message.Message
	open := false
	r.topic.mu.Lock()
	several := r.topic.several
	r.topic.mu.Unlock()
	if several {
		select {
		case m, open = <-messages.value:
		case <-ctx.Done():
		}
	} else {
		select {
		case m, open = <-messages.value:
		default:
		}
	}
	// That a subscription has ended is for the next Wait to say.
	return open && r.topic.take(m, open) == nil
}

// fill makes a record of a message: its payload and metadata, by name.
func fill(r *pipeline.Record, m *message.Message, now time.Time) {
	r.Value, r.Time = pipeline.RawValue(m.Payload), now
	r.Headers = make([]pipeline.Header, 0, len(m.Metadata)+1)
	r.Headers = append(r.Headers, pipeline.Header{Key: uuidHeader, Value: []byte(m.UUID)})
	for key, value := range m.Metadata {
		r.Headers = append(r.Headers, pipeline.Header{Key: key, Value: []byte(value)})
	}
	slices.SortFunc(r.Headers[1:], func(a, b pipeline.Header) int { return strings.Compare(a.Key, b.Key) })
}

func size(m *message.Message) int {
	n := len(m.Payload) + len(uuidHeader) + len(m.UUID)
	for key, value := range m.Metadata {
		n += len(key) + len(value)
	}
	return n
}

// Rewind reads again from memory: nothing was given back.
func (r *reader) Rewind(p pipeline.Position) error {
	if err := r.usable(context.Background()); err != nil {
		return err
	}
	r.topic.mu.Lock()
	defer r.topic.mu.Unlock()
	if err := r.topic.holds(p.Offset.Minor); err != nil {
		return err
	}
	r.next = p.Offset.Minor
	return nil
}

// Settle acknowledges what is delivered, up to p.
func (r *reader) Settle(ctx context.Context, p pipeline.Position) error {
	if err := r.usable(ctx); err != nil {
		return err
	}
	return r.topic.settle(p)
}

// Tail is an error: a subscriber does not tell which message is its topic's last.
func (r *reader) Tail(ctx context.Context) (pipeline.Position, error) {
	if err := r.usable(ctx); err != nil {
		return pipeline.Position{}, err
	}
	return pipeline.Position{}, errNoTail
}

var errNoTail = &pipeline.Error{Class: pipeline.Permanent, What: "a Watermill subscriber does not tell where its topic ends, so nobody knows when it is drained",
	Do: "leave out --until-drained, and stop the pipeline with SIGTERM"}

// Lag cannot be told.
func (r *reader) Lag(ctx context.Context) (int64, error) { return -1, r.usable(ctx) }

// Close ends what waits. What is held stays for the next Reader.
func (r *reader) Close() error {
	r.close.Do(func() { close(r.closed) })
	return nil
}
