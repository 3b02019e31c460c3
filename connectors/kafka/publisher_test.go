//go:build unix

package kafka

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// moved is a connection on which the next answer says that another one leads: so answers
// a leader that has stored a record and loses the partition while it waits for its
// followers.
type moved struct{ net.Conn }

func (m moved) Read(into []byte) (int, error) {
	n, err := m.Conn.Read(into)
	if err != nil {
		return n, err
	}
	at := 4 + 4 + 1 + 1 // size, correlation, tags, number of topics
	at += int(into[at]) + 1 + 4
	binary.BigEndian.PutUint16(into[at:], uint16(kerr.NotLeaderForPartition.Code)) //nolint:gosec // its bits
	return n, nil
}

// TestLeaderMovesAway while it waits for its followers: the record is stored once.
func TestLeaderMovesAway(t *testing.T) {
	k := onPartitions(t, 1)
	pub := k.publisher()
	k.publish(pub, "first")
	k.publish(pub, "second")
	for _, c := range pub.singles[0].conns {
		c.in.Reset(moved{c.Conn})
	}
	k.publish(pub, "third")
	if len(pub.singles[0].conns) != 0 {
		t.Fatal("no answer said that another one leads")
	}
	k.publish(pub, "fourth")
	k.wantCommitted(k.topic, "first", "second", "third", "fourth")
}

// TestTopicIsMadeAgain: it is published to again, by few callers and by the client.
func TestTopicIsMadeAgain(t *testing.T) {
	k := onPartitions(t, 1)
	pub := k.publisher()
	k.publish(pub, "0")
	k.publish(pub, "1")
	k.publish(pub, "2", "3")
	_, err := k.admin.DeleteTopic(t.Context(), k.topic)
	must(t, err)
	pipelinetest.Eventually(t, 20*time.Second, "the topic is made again", func() bool {
		made, err := k.admin.CreateTopic(t.Context(), 1, 1, nil, k.topic)
		return err == nil && made.Err == nil
	})
	pipelinetest.Eventually(t, 20*time.Second, "it takes messages", func() bool {
		return pub.Publish(k.topic, message.NewMessage("4", []byte("4")), message.NewMessage("5", []byte("5"))) == nil
	})
	k.publish(pub, "6")
	k.wantCommitted(k.topic, "4", "5", "6")
}

// TestTimeIsEachCallsOwn: when the time of one is over, those that came later have some
// left, and use it.
func TestTimeIsEachCallsOwn(t *testing.T) {
	e := pipelinetest.Embedded(t)
	k := on(t, e.Kafka.ListenAddrs()[0])
	k.topic = pipelinetest.Name(t)
	k.create(k.topic, 1, nil)
	pub := k.publisher(func(c *PublisherConfig) { c.Timeout, c.Compression = 3*time.Second, "gzip" })
	k.publish(pub, "0")
	var away atomic.Bool
	away.Store(true)
	var refused atomic.Int32
	e.Kafka.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		e.Kafka.KeepControl()
		if away.Load() {
			refused.Add(1)
			return answered(req, kerr.NotLeaderForPartition.Code), nil, true
		}
		return nil, nil, false
	})
	var early, late sync.WaitGroup
	early.Go(func() {
		if pub.Publish(k.topic, message.NewMessage("early", []byte("early"))) == nil {
			t.Error("what nobody took is said to be stored")
		}
	})
	pipelinetest.Eventually(t, 3*time.Second, "it was tried for a while", func() bool { return refused.Load() >= 3 })
	late.Go(func() { k.publish(pub, "1", "2", "3") })
	early.Wait()
	away.Store(false)
	late.Wait()
	k.wantCommitted(k.topic, "0", "1", "2", "3")
}

// TestDialInTime: a broker that is connected to and says nothing takes no more time than
// there is.
func TestDialInTime(t *testing.T) {
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer silent.Close() //nolint:errcheck // nobody is connected
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := (Connection{}).dial(ctx, nil, silent.Addr().String()); err == nil || time.Since(began) > dialPatience/2 {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}
