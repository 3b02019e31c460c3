//go:build e2e && unix

package kafka

import (
	"crypto/tls"
	"os"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

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
