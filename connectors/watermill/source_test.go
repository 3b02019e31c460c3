package watermill

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func configOf(source pipeline.Source, sink pipeline.Sink) engine.Config {
	return engine.Config{Name: "test", Instance: "one", Source: source, Sink: sink, SourceKeepsPosition: true,
		Batch: pipeline.Limit{Records: 100, Bytes: 1 << 20}, Window: engine.Window{Batches: 8, Bytes: 8 << 20},
		CommitEvery: 50 * time.Millisecond, CommitRecords: 1000, Shutdown: 10 * time.Second, Log: slog.New(slog.DiscardHandler)}
}

// move runs a pipeline without stages until its context ends.
func move(t *testing.T, source pipeline.Source, sink pipeline.Sink, change func(c *engine.Config)) (stop func() error) {
	t.Helper()
	c := configOf(source, sink)
	if change != nil {
		change(&c)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	e := engine.New(c)
	go func() { done <- e.Run(ctx) }()
	return func() error {
		cancel()
		return errors.Join(<-done, source.Close(), sink.Close())
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	pipelinetest.Eventually(t, 30*time.Second, what, ok)
}

// apply is a transform of one function.
type apply func(ctx context.Context, b *pipeline.Batch) error

func (f apply) Apply(ctx context.Context, b *pipeline.Batch) error { return f(ctx, b) }

// TestOneByOneMoves: a subscriber that waits for each acknowledgement moves on by
// itself, and over a transform and a publisher that fail.
func TestOneByOneMoves(t *testing.T) {
	for name, failing := range map[string]bool{"well": false, "failing": true} {
		t.Run(name, func(t *testing.T) {
			values := numbers(20)
			q, l := newQueue(1, values...), newLedger()
			var tries, calls atomic.Int64
			if failing {
				l.publish = func(string, []*message.Message) error {
					if calls.Add(1)%7 == 3 {
						return errors.New("not now")
					}
					return nil
				}
			}
			stop := move(t, NewSource(q, SourceConfig{Topics: []string{"in"}}), NewSink(l, SinkConfig{Topic: "out"}), func(c *engine.Config) {
				c.Stages = []engine.Stage{{Name: "fails", Transform: apply(func(context.Context, *pipeline.Batch) error {
					if failing && tries.Add(1)%9 == 4 {
						return errors.New("not now")
					}
					return nil
				})}}
			})
			eventually(t, "all is acknowledged", func() bool { acked, _ := q.noted(); return acked == len(values) })
			if err := stop(); err != nil {
				t.Error(err)
			}
			if got := l.got(); !slices.Equal(got, values) {
				t.Errorf("delivered %q", got)
			}
			if _, given := q.noted(); given > 0 {
				t.Errorf("%d were given back: they are in memory", given)
			}
		})
	}
}

// TestGathers: a subscriber that gives many is read in batches.
func TestGathers(t *testing.T) {
	values := numbers(500)
	q, l := newQueue(len(values), values...), newLedger()
	stop := move(t, NewSource(q, SourceConfig{Topics: []string{"in"}}), NewSink(l, SinkConfig{Topic: "out"}), nil)
	eventually(t, "all is acknowledged", func() bool { acked, _ := q.noted(); return acked == len(values) })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := l.got(); !slices.Equal(got, values) {
		t.Errorf("delivered %d", len(got))
	}
	if l.calls > 250 {
		t.Errorf("%d messages were published in %d calls", len(values), l.calls)
	}
}

// TestGivesBack: what is not acknowledged when the source is closed is given back.
func TestGivesBack(t *testing.T) {
	q := newQueue(10, numbers(10)...)
	s := NewSource(q, SourceConfig{Topics: []string{"in"}})
	r, err := s.Open(t.Context(), pipeline.OpenRequest{Shard: "in", KeepsPosition: true})
	if err != nil {
		t.Fatal(err)
	}
	var positions []pipeline.Position
	for len(positions) < 4 {
		b := &pipeline.Batch{}
		if err := errors.Join(r.Wait(t.Context()), r.Read(t.Context(), b, pipeline.Limit{Records: 1, Bytes: 1})); err != nil {
			t.Fatal(err)
		}
		positions = append(positions, b.After)
	}
	if err := errors.Join(r.Settle(t.Context(), positions[1]), r.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if acked, given := q.noted(); acked != 2 || given < 2 {
		t.Errorf("%d acknowledged, %d given back", acked, given)
	}
}

// TestCommittedIsSettled: a position that this run has committed and not settled is
// settled when the shard is opened there, or the subscriber would wait for ever.
func TestCommittedIsSettled(t *testing.T) {
	q := newQueue(1, numbers(3)...)
	s := NewSource(q, SourceConfig{Topics: []string{"in"}})
	defer s.Close()
	var from *pipeline.Position
	for n := range 3 {
		r, err := s.Open(t.Context(), pipeline.OpenRequest{Shard: "in", From: from})
		if err != nil {
			t.Fatal(err)
		}
		b := &pipeline.Batch{}
		if err := errors.Join(r.Wait(t.Context()), r.Read(t.Context(), b, pipeline.Limit{Records: 10, Bytes: 100}), r.Close()); err != nil {
			t.Fatal(err)
		}
		if len(b.Records) != 1 || string(b.Records[0].Value.Raw()) != numbers(3)[n] {
			t.Fatalf("batch %d has %d records", n, len(b.Records))
		}
		from = &b.After
	}
	other := pipeline.Position{Incarnation: "another run", Offset: pipeline.Offset{Minor: 1000}}
	r, err := s.Open(t.Context(), pipeline.OpenRequest{Shard: "in", From: &other})
	if err != nil || r.Start().Incarnation == other.Incarnation || r.Start().Offset.Minor != 2 {
		t.Errorf("opened at another run's position: %v, starts at %+v", err, r)
	}
}

// TestUntilDrained: an engine that is to drain is told that it cannot.
func TestUntilDrained(t *testing.T) {
	source, sink := NewSource(newQueue(1, numbers(3)...), SourceConfig{Topics: []string{"in"}}), NewSink(newLedger(), SinkConfig{Topic: "out"})
	defer source.Close()
	defer sink.Close()
	c := configOf(source, sink)
	c.UntilDrained = true
	if err := engine.New(c).Run(t.Context()); !errors.Is(err, errNoTail) {
		t.Errorf("ended with %v", err)
	}
}

// flaky is a Subscriber whose subscriptions fail, and end, before they last.
type flaky struct {
	*queue
	tries atomic.Int64
}

func (f *flaky) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	switch f.tries.Add(1) {
	case 1:
		return nil, errors.New("nobody answers")
	case 2:
		ended := make(chan *message.Message)
		close(ended)
		return ended, nil
	case 3:
		panic("SECRET")
	default:
		return f.queue.Subscribe(ctx, topic)
	}
}

// TestSubscribesAgain: a subscription that fails or ends is made again.
func TestSubscribesAgain(t *testing.T) {
	q, l := &flaky{queue: newQueue(2, numbers(20)...)}, newLedger()
	stop := move(t, NewSource(q, SourceConfig{Topics: []string{"in"}}), NewSink(l, SinkConfig{Topic: "out"}), nil)
	eventually(t, "all is acknowledged", func() bool { acked, _ := q.noted(); return acked == 20 })
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := l.got(); !slices.Equal(got, numbers(20)) {
		t.Errorf("delivered %q", got)
	}
}

// stuck is a Subscriber whose Subscribe does not return before it is let.
type stuck struct {
	*queue
	let chan struct{}
}

func (s *stuck) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	<-s.let
	return s.queue.Subscribe(ctx, topic)
}

// TestSubscribeThatHangs: it holds up neither a stop nor who waits; Close waits for it.
func TestSubscribeThatHangs(t *testing.T) {
	q := &stuck{queue: newQueue(2, numbers(20)...), let: make(chan struct{})}
	s := NewSource(q, SourceConfig{Topics: []string{"in"}})
	r, err := s.Open(t.Context(), pipeline.OpenRequest{Shard: "in"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if err := r.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait: %v", err)
		}
		cancel()
	}
	close(q.let)
	if err := errors.Join(r.Wait(t.Context()), r.Close(), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestFill: key and time come from whoever knows them, and count.
func TestFill(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	s := NewSource(newQueue(1, "value"), SourceConfig{Topics: []string{"in"}, Fill: func(r *pipeline.Record, m *message.Message) {
		r.Key, r.Time = []byte(m.Metadata.Get("n")), at
	}})
	defer s.Close()
	r, err := s.Open(t.Context(), pipeline.OpenRequest{Shard: "in"})
	if err != nil {
		t.Fatal(err)
	}
	b := &pipeline.Batch{}
	if err := errors.Join(r.Wait(t.Context()), r.Read(t.Context(), b, pipeline.Limit{Records: 1, Bytes: 1})); err != nil {
		t.Fatal(err)
	}
	record := b.Records[0]
	if string(record.Key) != "0" || !record.Time.Equal(at) || b.Bytes != len("value")+len(uuidHeader)+len("uuid-0")+len("n0")+len("0") {
		t.Errorf("key %q, time %v, %d bytes", record.Key, record.Time, b.Bytes)
	}
}
