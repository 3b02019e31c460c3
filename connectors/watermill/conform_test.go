package watermill

import (
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

func TestSourceConforms(t *testing.T) {
	values := numbers(40)
	for name, c := range map[string]struct {
		subscriber func() message.Subscriber
		oneByOne   bool
	}{
		"all at once":       {func() message.Subscriber { return newQueue(len(values), values...) }, false},
		"one by one":        {func() message.Subscriber { return newQueue(1, values...) }, true},
		"gochannel blocked": {func() message.Subscriber { return newPublishing(values...) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			conform.Source(t, conform.SourceCase{Values: values, Shared: true, OneByOne: c.oneByOne, Fresh: func(*testing.T) pipeline.Source {
				return NewSource(c.subscriber(), SourceConfig{Topics: []string{"events"}})
			}})
		})
	}
}

// ledger is a Publisher that keeps what was published, by topic.
type ledger struct {
	mu       sync.Mutex
	topics   map[string][]*message.Message
	calls    int
	closed   bool
	publish  func(topic string, messages []*message.Message) error // nil: it goes well
	sequence []string
}

func newLedger() *ledger { return &ledger{topics: map[string][]*message.Message{}} }

func (l *ledger) Publish(topic string, messages ...*message.Message) error {
	if l.publish != nil {
		if err := l.publish(topic, messages); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	l.topics[topic] = append(l.topics[topic], messages...)
	for _, m := range messages {
		l.sequence = append(l.sequence, string(m.Payload))
	}
	return nil
}

func (l *ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

// got gives the payloads that were published, in order.
func (l *ledger) got() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.sequence...)
}

func TestSinkConforms(t *testing.T) {
	conform.Sink(t, conform.SinkCase{Fresh: func(*testing.T) (pipeline.Sink, func(*testing.T) []string) {
		l := newLedger()
		return NewSink(l, SinkConfig{Topic: "events"}), func(*testing.T) []string { return l.got() }
	}})
}
