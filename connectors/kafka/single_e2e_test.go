//go:build e2e && unix

package kafka

import (
	"crypto/tls"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestPublishedThroughKills publishes by one caller, by few and by many while the broker
// is killed and started: each message is stored once, those of a caller in order.
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
			published := make([]int, callers)
			var all sync.WaitGroup
			for c := range callers {
				all.Go(func() { published[c] = k.publishUntil(pub, c, over) })
			}
			all.Wait()
			k.wantOfCallers(published)
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

// wantOfCallers wants what each caller published, in its order, and no more.
func (k *kafkaTest) wantOfCallers(published []int) {
	next := make([]int, len(published))
	for _, r := range k.committed(k.topic) {
		var caller, n int
		if _, err := fmt.Sscan(string(r.Value), &caller, &n); err != nil {
			k.Fatal(err)
		}
		if n != next[caller] {
			k.Fatalf("after %d messages of caller %d comes its message %d", next[caller], caller, n)
		}
		next[caller]++
	}
	if !slices.Equal(next, published) {
		k.Errorf("of the messages %v came %v", published, next)
	}
	k.Logf("%v messages through two kills", published)
}

// TestSinglesOverTLS: the certificate of the broker is asked for, and has to be right.
func TestSinglesOverTLS(t *testing.T) {
	both, _, ca := keyFiles(t)
	text, err := os.ReadFile(both)
	must(t, err)
	pair, err := tls.X509KeyPair(text, text)
	must(t, err)
	e := pipelinetest.Embedded(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}), kfake.SeedTopics(1, "topic"))
	publisher := func(conf *TLS) *Publisher {
		pub, err := NewPublisher(PublisherConfig{Connection: Connection{Brokers: e.Kafka.ListenAddrs(), TLS: conf}, Timeout: 2 * time.Second})
		must(t, err)
		t.Cleanup(func() { must(t, pub.Close()) })
		return pub
	}
	pub := publisher(&TLS{CAFile: ca})
	for range 2 {
		must(t, pub.Publish("topic", message.NewMessage("0", nil)))
	}
	for _, c := range pub.singles[0].conns {
		if _, encrypted := c.Conn.(*tls.Conn); !encrypted {
			t.Errorf("the message went through a %T", c.Conn)
		}
	}
	if len(pub.singles[0].conns) != 1 {
		t.Error("the message was not sent singly")
	}
	if stranger := publisher(&TLS{}); stranger.Publish("topic", message.NewMessage("1", nil)) == nil ||
		stranger.Publish("topic", message.NewMessage("2", nil)) == nil || len(stranger.singles[0].conns) != 0 {
		t.Error("a certificate that nobody knows is taken")
	}
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
