//go:build e2e && unix

package kafka

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestPublishedThroughKills publishes by one caller, by few and by many while the broker
// is killed and started: each message is stored once, those of a caller in order, and a
// Subscriber is handed them so, or some again. It takes the place of the suite's
// TestReconnect, which counts a message wrongly that comes before Publish has returned.
func TestPublishedThroughKills(t *testing.T) {
	broker, err := pipelinetest.StartKafka(t.Context(), pipelinetest.KafkaOptions{Heap: "512m"})
	must(t, err)
	t.Cleanup(func() { must(t, broker.Stop()) })
	for _, callers := range []int{1, fewCalls, 40} {
		t.Run(fmt.Sprint(callers, " at once"), func(t *testing.T) {
			k := on(t, broker.Addr())
			k.topic = pipelinetest.Name(t)
			k.create(k.topic, 1, nil)
			pub := k.publisher(func(c *PublisherConfig) { c.Timeout = 2 * time.Minute })
			over := make(chan struct{})
			go func() {
				defer close(over)
				for range 2 {
					count := k.count()
					pipelinetest.Eventually(t, time.Minute, "a thousand messages more", func() bool { return k.count() >= count+1000 })
					if broker.Kill() != nil || broker.Restart(t.Context()) != nil {
						t.Error("the broker is not there again")
						return
					}
				}
			}()
			messages := k.subscribe(k.subscriber(func(c *SubscriberConfig) { c.InFlight = callers }))
			var handed callersRead
			var reading sync.WaitGroup
			reading.Go(func() { handed = k.receive(messages, callers) })
			published := make([]int, callers)
			var all sync.WaitGroup
			for c := range callers {
				all.Go(func() { published[c] = k.publishUntil(pub, c, over) })
			}
			all.Wait()
			k.publish(pub, end)
			reading.Wait()
			stored := k.stored(callers)
			if !slices.Equal(stored.next, published) || stored.again > 0 || !slices.Equal(handed.next, published) {
				t.Errorf("of the messages %v are stored %+v, handed out %+v", published, stored, handed)
			}
			t.Logf("%v messages through two kills, %d handed out again", published, handed.again)
		})
	}
}

// publishUntil publishes one message after the other, and a hundred after it is over.
// It gives how many.
func (k *kafkaTest) publishUntil(pub *Publisher, caller int, over <-chan struct{}) (n int) {
	for left := 100; left > 0; n++ {
		text := fmt.Sprint(caller, " ", n)
		if err := pub.Publish(k.topic, message.NewMessage(text, []byte(text))); err != nil {
			k.Errorf("message %s: %v", text, err)
			return n
		}
		select {
		case <-over:
			left--
		default:
		}
	}
	return n
}

// end is the text of the last message.
const end = "end"

// callersRead is what was read of some callers.
type callersRead struct {
	next  []int // of each caller: how many messages came, in order
	again int   // messages that had come before
}

// take takes a message.
func (r *callersRead) take(t testing.TB, text []byte) {
	var caller, n int
	if _, err := fmt.Sscan(string(text), &caller, &n); err != nil {
		t.Errorf("there is a message %q: %v", text, err)
		return
	}
	switch {
	case n > r.next[caller]:
		t.Errorf("after %d messages of caller %d comes its message %d", r.next[caller], caller, n)
	case n < r.next[caller]:
		r.again++
	default:
		r.next[caller]++
	}
}

// receive reads to the last message.
func (k *kafkaTest) receive(messages <-chan *message.Message, callers int) callersRead {
	read := callersRead{next: make([]int, callers)}
	for m := range messages {
		m.Ack()
		if string(m.Payload) == end {
			break
		}
		read.take(k, m.Payload)
	}
	return read
}

// stored reads what the topic holds.
func (k *kafkaTest) stored(callers int) callersRead {
	read := callersRead{next: make([]int, callers)}
	for _, r := range k.committed(k.topic) {
		if string(r.Value) != end {
			read.take(k, r.Value)
		}
	}
	return read
}

// count gives how many records the topic holds.
func (k *kafkaTest) count() (n int64) {
	ends, err := k.admin.ListEndOffsets(k.Context(), k.topic)
	if err != nil {
		return 0
	}
	for _, end := range ends[k.topic] {
		n += end.Offset
	}
	return n
}
