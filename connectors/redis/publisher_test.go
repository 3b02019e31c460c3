//go:build unix

package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// TestPublisherWritesAllOrNone of a call.
func TestPublisherWritesAllOrNone(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _ := s.place.pubSub(t, SubscriberConfig{})
		bad := messagesOf("a", "b", "c")
		bad[1].Metadata.Set(uuidField, "x")
		wantError(t, pub.Publish(s.key, bad...), pipeline.Permanent, s.key, errReserved.Error())
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		late := messagesOf("a", "b")
		late[1].SetContext(ended)
		if err := pub.Publish(s.key, late...); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if s.length() != 0 {
			t.Errorf("%d entries were written", s.length())
		}
		must(t, pub.Publish(s.key))
		must(t, pub.Publish(s.key, messagesOf(numbers(0, 2500)...)...))
		if s.length() != 2500 {
			t.Errorf("%d entries of 2500", s.length())
		}
	})
}

func TestPublisherClassesErrors(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _ := s.place.pubSub(t, SubscriberConfig{})
		s.do("SET", s.key, "a text")
		for _, n := range []int{1, 2} {
			wantError(t, pub.Publish(s.key, messagesOf(numbers(0, n)...)...), pipeline.Permanent, s.key, "WRONGTYPE")
		}
		must(t, pub.Close())
		must(t, pub.Close())
		if err := pub.Publish(s.key, messagesOf("a")...); !errors.Is(err, errPublisherClosed) {
			t.Errorf("a closed Publisher says %v", err)
		}
	})
	nobody, err := NewPublisher(PublisherConfig{Client: place{addr: "127.0.0.1:1"}.client(t)})
	must(t, err)
	wantError(t, nobody.Publish("topic", messagesOf("a")...), pipeline.Unreachable, "topic")
}

// TestPublisherTogether: calls that come together keep each caller's order, and each is
// answered.
func TestPublisherTogether(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _, messages := s.subscribe(SubscriberConfig{Start: "oldest", MaxInFlight: 100})
		var callers sync.WaitGroup
		for caller := range 30 {
			callers.Go(func() {
				for i := 0; i < 60; i += 2 {
					m := messagesOf(fmt.Sprint(caller, " ", i), fmt.Sprint(caller, " ", i+1))
					if err := pub.Publish(s.key, m[:1+caller%2]...); err != nil {
						t.Error(err)
					}
				}
			})
		}
		callers.Wait()
		last := map[int]int{}
		for range 15*30 + 15*60 {
			var caller, i int
			m := receive(t, messages)
			_, err := fmt.Sscan(string(m.Payload), &caller, &i)
			must(t, err)
			if before, seen := last[caller]; seen && i <= before {
				t.Errorf("caller %d: %d follows %d", caller, i, before)
			}
			last[caller] = i
			m.Ack()
		}
		if len(pub.queues) != 0 {
			t.Errorf("%d queues are left", len(pub.queues))
		}
	})
}

func TestPublisherKeepsAbout(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, err := NewPublisher(PublisherConfig{Client: s.redis, MaxLen: 100})
		must(t, err)
		for range 10 {
			must(t, pub.Publish(s.key, messagesOf(numbers(0, 100)...)...))
		}
		if n := s.length(); n < 100 || n > 300 { // Redis removes whole nodes, of 100 entries
			t.Errorf("%d entries are kept", n)
		}
		var _ message.Publisher = pub
	})
}
