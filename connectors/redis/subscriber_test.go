//go:build unix

package redis

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// texts gives messages with these payloads.
func messagesOf(payloads ...string) []*message.Message {
	var out []*message.Message
	for _, p := range payloads {
		out = append(out, message.NewMessage(watermill.NewUUID(), []byte(p)))
	}
	return out
}

// subscribe gives a subscription of the test's own Subscriber.
func (s *streamTest) subscribe(config SubscriberConfig) (*Publisher, *Subscriber, <-chan *message.Message) {
	s.t.Helper()
	pub, sub := s.place.pubSub(s.t, config)
	messages, err := sub.Subscribe(s.t.Context(), s.key)
	must(s.t, err)
	return pub, sub, messages
}

// receive takes the next message.
func receive(t *testing.T, from <-chan *message.Message) *message.Message {
	t.Helper()
	select {
	case m := <-from:
		if m == nil {
			t.Fatal("the channel is closed")
		}
		return m
	case <-within(t, 20*time.Second).Done():
		t.Fatal("no message comes")
		return nil
	}
}

// acked takes n messages, acks them, and gives their payloads.
func acked(t *testing.T, from <-chan *message.Message, n int) []string {
	t.Helper()
	var out []string
	for range n {
		m := receive(t, from)
		out = append(out, string(m.Payload))
		m.Ack()
	}
	return out
}

// none checks that no message comes for a while.
func none(t *testing.T, from <-chan *message.Message) {
	t.Helper()
	select {
	case m := <-from:
		t.Fatalf("%q comes", m.Payload)
	case <-within(t, 50*time.Millisecond).Done():
	}
}

func TestSubscriberRefusesItsConfig(t *testing.T) {
	client := place{addr: "127.0.0.1:1"}.client(t)
	for words, c := range map[string]SubscriberConfig{
		"no Client": {}, "neither oldest": {Client: client, Start: "first"}, "MaxInFlight": {Client: client, MaxInFlight: -1},
		"ClaimIdle": {Client: client, ClaimIdle: 1}, "no Group": {Client: client, Consumer: "c"}, "NackDelay": {Client: client, NackDelay: -1},
	} {
		_, err := NewSubscriber(c)
		wantError(t, err, pipeline.Permanent, words)
	}
	for words, c := range map[string]PublisherConfig{"no Client": {}, "MaxLen": {Client: client, MaxLen: -1}} {
		_, err := NewPublisher(c)
		wantError(t, err, pipeline.Permanent, words)
	}
}

// TestSubscriberKeepsOrder whatever is nacked, with one message in flight.
func TestSubscriberKeepsOrder(t *testing.T) {
	for _, group := range []string{"", "g"} {
		eachStream(t, func(t *testing.T, s *streamTest) {
			pub, _, messages := s.subscribe(SubscriberConfig{Group: group, NackDelay: time.Millisecond})
			must(t, pub.Publish(s.key, messagesOf(numbers(0, 300)...)...))
			for i := range 300 {
				for range i % 3 {
					m := receive(t, messages)
					if want := fmt.Sprint("event ", i); string(m.Payload) != want {
						t.Fatalf("%q comes, want %q", m.Payload, want)
					}
					m.Payload, m.Metadata = nil, nil // who is handed a message may change it
					m.Nack()
					<-m.Context().Done()
				}
				wantValues(t, acked(t, messages, 1), numbers(i, i+1))
			}
			none(t, messages)
		})
	}
}

func TestSubscriberHasSoManyInFlight(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _, messages := s.subscribe(SubscriberConfig{Group: "g", MaxInFlight: 10})
		must(t, pub.Publish(s.key, messagesOf(numbers(0, 30)...)...))
		var held []*message.Message
		for i := range 10 {
			held = append(held, receive(t, messages))
			wantValues(t, []string{string(held[i].Payload)}, numbers(i, i+1))
		}
		none(t, messages)
		held[7].Ack() // not the oldest
		wantValues(t, acked(t, messages, 1), numbers(10, 11))
		held[3].Nack()
		if m := receive(t, messages); string(m.Payload) != "event 3" && string(m.Payload) != "event 11" {
			t.Errorf("%q comes", m.Payload)
		}
	})
}

// TestSubscriberDoesNotReadAhead for a handler that is slow: others of the group may be
// faster.
func TestSubscriberDoesNotReadAhead(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _, messages := s.subscribe(SubscriberConfig{Group: "g"})
		must(t, pub.Publish(s.key, messagesOf(numbers(0, 100)...)...))
		receive(t, messages)
		s.wantPending("1:1")
	})
}

// TestSubscriberGivesBack at once what it has read and not handed out, when it ends;
// what was acked is acknowledged then, and a consumer without a name of its own is gone.
func TestSubscriberGivesBack(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, sub, messages := s.subscribe(SubscriberConfig{Group: "g"})
		must(t, pub.Publish(s.key, messagesOf(numbers(0, 1000)...)...))
		wantValues(t, acked(t, messages, 300), numbers(0, 300))
		must(t, sub.Close())
		if _, open := <-messages; open {
			t.Error("the channel is open")
		}
		if s.redis.XPending(t.Context(), s.key, "g").Val().Count == 0 {
			t.Error("nothing was read ahead: the test is of no use")
		}
		if _, err := sub.Subscribe(t.Context(), s.key); err == nil {
			t.Error("a closed Subscriber subscribes")
		}
		_, sub, messages = s.subscribe(SubscriberConfig{Group: "g"})
		wantValues(t, acked(t, messages, 700), numbers(300, 1000))
		must(t, sub.Close())
		s.wantPending("")
		consumers, err := s.redis.XInfoConsumers(t.Context(), s.key, "g").Result()
		must(t, err)
		if len(consumers) > 1 { // the first one's entries were taken from it after it had left
			t.Errorf("consumers are left: %+v", consumers)
		}
	})
}

// TestSubscriberReadsItsPendingFirst, under the name that its config says.
func TestSubscriberReadsItsPendingFirst(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		config := SubscriberConfig{Group: "g", Consumer: "c", MaxInFlight: 5}
		pub, sub, messages := s.subscribe(config)
		must(t, pub.Publish(s.key, messagesOf(numbers(0, 20)...)...))
		for range 5 {
			receive(t, messages)
		}
		must(t, sub.Close())
		_, _, messages = s.subscribe(config)
		wantValues(t, acked(t, messages, 20), numbers(0, 20))
		until(t, "all is acknowledged", func() bool { return len(s.pending()) == 0 })
	})
}

// TestSubscriberNamesItsConsumers: two subscriptions to a topic are two consumers.
func TestSubscriberNamesItsConsumers(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, sub, one := s.subscribe(SubscriberConfig{Group: "g", Consumer: "c"})
		two, err := sub.Subscribe(t.Context(), s.key)
		must(t, err)
		must(t, pub.Publish(s.key, messagesOf("a", "b")...))
		got := []string{string(receive(t, one).Payload), string(receive(t, two).Payload)}
		slices.Sort(got)
		wantValues(t, got, []string{"a", "b"})
		consumers, err := s.redis.XInfoConsumers(t.Context(), s.key, "g").Result()
		must(t, err)
		if len(consumers) != 2 || consumers[0].Name != "c" || consumers[1].Name != "c#2" {
			t.Errorf("got %+v", consumers)
		}
	})
}

// TestSubscriberMakesTheGroupAgain where all was acked: better twice than never.
func TestSubscriberMakesTheGroupAgain(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _, messages := s.subscribe(SubscriberConfig{Group: "g", ClaimIdle: 20 * time.Millisecond})
		must(t, pub.Publish(s.key, messagesOf(numbers(0, 10)...)...))
		wantValues(t, acked(t, messages, 10), numbers(0, 10))
		must(t, pub.Publish(s.key, messagesOf("in flight")...))
		m := receive(t, messages)
		s.do("XGROUP", "DESTROY", s.key, "g")
		must(t, pub.Publish(s.key, messagesOf("after")...))
		m.Ack()
		for want := "after"; want != ""; {
			got := receive(t, messages)
			got.Ack()
			if string(got.Payload) == want {
				want = ""
			}
		}
		s.do("DEL", s.key) // and made again, as another one
		s.do("XADD", s.key, "1-1", uuidField, "u", payloadField, "new")
		wantValues(t, acked(t, messages, 1), []string{"new"})
	})
}

// TestSubscriberPassesOver what is no message, says so, and leaves it pending.
func TestSubscriberPassesOver(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		log := watermill.NewCaptureLogger()
		s.do("XADD", s.key, "1-0", "some", "thing")
		pub, _, messages := s.subscribe(SubscriberConfig{Group: "g", Logger: log})
		must(t, pub.Publish(s.key, messagesOf("a")...))
		wantValues(t, acked(t, messages, 1), []string{"a"})
		if !log.HasError(errNoUUID) {
			t.Errorf("nothing is said of it: %v", log.Captured())
		}
		until(t, "only the other one is pending", func() bool {
			p := s.redis.XPending(t.Context(), s.key, "g").Val()
			return p.Count == 1 && p.Lower == "1-0"
		})
	})
}

// TestFanOut: without a group every subscription is handed all that comes after it
// began, or after where it says.
func TestFanOut(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.do("XADD", s.key, "1-0", uuidField, "u", payloadField, "old")
		s.do("XADD", s.key, "2-0", uuidField, "u", payloadField, "newer")
		pub, sub, one := s.subscribe(SubscriberConfig{})
		two, err := sub.Subscribe(t.Context(), s.key)
		must(t, err)
		must(t, sub.SubscribeInitialize(s.key))
		must(t, pub.Publish(s.key, messagesOf("new")...))
		_, _, all := s.subscribe(SubscriberConfig{Start: "oldest"})
		_, _, after := s.subscribe(SubscriberConfig{Start: "1-0", MaxInFlight: 3})
		wantValues(t, acked(t, one, 1), []string{"new"})
		wantValues(t, acked(t, two, 1), []string{"new"})
		wantValues(t, acked(t, all, 3), []string{"old", "newer", "new"})
		wantValues(t, acked(t, after, 2), []string{"newer", "new"})
	})
}
