//go:build e2e && unix

package kafka

import (
	"crypto/tls"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestSinglesThroughKills publishes one message after the other while the broker is
// killed, stopped and started: each is stored once, in order.
func TestSinglesThroughKills(t *testing.T) {
	broker, err := pipelinetest.StartKafka(t.Context(), pipelinetest.KafkaOptions{Heap: "512m"})
	must(t, err)
	t.Cleanup(func() { must(t, broker.Stop()) })
	k := on(t, broker.Addr())
	k.topic = pipelinetest.Name(t)
	k.create(k.topic, 1, nil)
	pub := k.publisher(func(c *PublisherConfig) { c.Timeout = 2 * time.Minute })
	over := make(chan struct{})
	go func() {
		defer close(over)
		for range 3 {
			count := k.count()
			pipelinetest.Eventually(t, time.Minute, "a thousand messages more", func() bool { return k.count() >= count+1000 })
			if broker.Kill() != nil || broker.Restart(t.Context()) != nil {
				t.Error("the broker is not there again")
				return
			}
		}
	}()
	var want []string
	for going := true; going || len(want)%1000 != 0; {
		text := strconv.Itoa(len(want))
		if err := pub.Publish(k.topic, message.NewMessage(text, []byte(text))); err != nil {
			t.Fatal(err)
		}
		want = append(want, text)
		select {
		case <-over:
			going = false
		default:
		}
	}
	k.wantCommitted(k.topic, want...)
	t.Logf("%d messages through three kills", len(want))
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
	for _, c := range pub.single.conns {
		if _, encrypted := c.Conn.(*tls.Conn); !encrypted {
			t.Errorf("the message went through a %T", c.Conn)
		}
	}
	if len(pub.single.conns) != 1 {
		t.Error("the message was not sent singly")
	}
	if stranger := publisher(&TLS{}); stranger.Publish("topic", message.NewMessage("1", nil)) == nil ||
		stranger.Publish("topic", message.NewMessage("2", nil)) == nil || len(stranger.single.conns) != 0 {
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
