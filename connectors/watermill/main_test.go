package watermill

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(saramaMeters)) }

// saramaMeters is a goroutine of sarama's that never ends, one in a process.
const saramaMeters = "github.com/rcrowley/go-metrics.(*meterArbiter).tick"

// numbers gives n values.
func numbers(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprint("value ", i)
	}
	return values
}

// queue is a Subscriber that gives values in order, as many at once as inFlight
// says, and again, in front of the others, what is given back.
type queue struct {
	values   []string
	inFlight int

	all sync.WaitGroup

	mu    sync.Mutex
	acked []string // in the order of the acknowledgements
	given []string // back
}

func newQueue(inFlight int, values ...string) *queue {
	return &queue{values: values, inFlight: inFlight}
}

func (q *queue) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	out, places := make(chan *message.Message), make(chan struct{}, q.inFlight)
	q.all.Go(func() {
		defer close(out)
		var sent sync.WaitGroup
		defer sent.Wait()
		for i, value := range q.values {
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return
			}
			m := message.NewMessage(fmt.Sprint("uuid-", i), []byte(value))
			m.Metadata.Set("n", fmt.Sprint(i))
			select {
			case out <- m:
			case <-ctx.Done():
				return
			}
			sent.Go(func() {
				select {
				case <-m.Acked():
				case <-m.Nacked():
				case <-ctx.Done():
				}
				select { // both may have come
				case <-m.Acked():
					q.note(&q.acked, value)
				case <-m.Nacked():
					q.note(&q.given, value)
				default:
				}
				<-places
			})
		}
		<-ctx.Done()
	})
	return out, nil
}

func (q *queue) note(where *[]string, value string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*where = append(*where, value)
}

// noted gives how many were acknowledged, and how many were given back.
func (q *queue) noted() (acked, given int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.acked), len(q.given)
}

func (q *queue) Close() error {
	q.all.Wait()
	return nil
}

// publishing is a gochannel to which values are published as soon as somebody
// subscribes, one after the other.
type publishing struct {
	*gochannel.GoChannel
	values []string
	all    sync.WaitGroup
}

func newPublishing(values ...string) *publishing {
	return &publishing{GoChannel: gochannel.NewGoChannel(gochannel.Config{BlockPublishUntilSubscriberAck: true}, nil), values: values}
}

func (p *publishing) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	messages, err := p.GoChannel.Subscribe(ctx, topic)
	p.all.Go(func() {
		for i, value := range p.values {
			if ctx.Err() != nil || p.Publish(topic, message.NewMessage(fmt.Sprint("uuid-", i), []byte(value))) != nil {
				return
			}
		}
	})
	return messages, err
}

func (p *publishing) Close() error {
	err := p.GoChannel.Close()
	p.all.Wait()
	return err
}
