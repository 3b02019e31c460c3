//go:build e2e && unix

package redis

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// What miniredis does otherwise than Redis: idle times, bodies that are gone,
// connections that are cut.

// TestSubscriberClaims what another member of the group was handed and has not acked.
func TestSubscriberClaims(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _ := s.place.pubSub(t, SubscriberConfig{})
		must(t, pub.Publish(s.key, messagesOf(numbers(0, 50)...)...))
		s.do("XGROUP", "CREATE", s.key, "g", "0")
		s.do("XREADGROUP", "GROUP", "g", "dead", "COUNT", 20, "STREAMS", s.key, ">")
		_, _, messages := s.subscribe(SubscriberConfig{Group: "g", ClaimIdle: 200 * time.Millisecond})
		got := acked(t, messages, 50)
		slices.SortFunc(got, byNumber)
		wantValues(t, got, numbers(0, 50))
	})
}

// TestSubscriberKeepsWhatItHolds: a handler that is slower than ClaimIdle is not handed
// its own message once more.
func TestSubscriberKeepsWhatItHolds(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _, messages := s.subscribe(SubscriberConfig{Group: "g", MaxInFlight: 2, ClaimIdle: 20 * time.Millisecond})
		must(t, pub.Publish(s.key, messagesOf("slow", "quick")...))
		slow := receive(t, messages)
		acked(t, messages, 1)
		until(t, "it was looked at again", func() bool { return s.pending()[1] == 0 })
		none(t, messages)
		slow.Ack()
		until(t, "all is acknowledged", func() bool { return len(s.pending()) == 0 })
		none(t, messages)
	})
}

// TestSubscriberKeepsItsOwnConsumers: Redis 7.0 takes one that waits for one that is silent.
func TestSubscriberKeepsItsOwnConsumers(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, sub := s.place.pubSub(t, SubscriberConfig{Group: "g", Consumer: "own", ClaimIdle: 20 * time.Millisecond})
		for range 2 {
			messages, err := sub.Subscribe(t.Context(), s.key)
			must(t, err)
			must(t, pub.Publish(s.key, messagesOf("x")...))
			go func() {
				for m := range messages {
					m.Ack()
				}
			}()
		}
		until(t, "both have read", func() bool {
			must(t, pub.Publish(s.key, messagesOf("x")...))
			consumers, err := s.redis.XInfoConsumers(t.Context(), s.key, "g").Result()
			must(t, err)
			return len(consumers) == 2
		})
		wantValues(t, s.forgotten(func() {}), []string{"own", "own#2"})
	})
}

// TestSubscriberLeavesWhatIsClaimed: what was read ahead, and waits for so long that
// another member of the group has claimed and acked it, is not handed out any more.
func TestSubscriberLeavesWhatIsClaimed(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		const idle = time.Second
		pub, _, messages := s.subscribe(SubscriberConfig{Group: "g", ClaimIdle: idle})
		must(t, pub.Publish(s.key, messagesOf(numbers(0, 2000)...)...))
		acked(t, messages, 500) // it is quick: much is read ahead
		slow := receive(t, messages)
		var ids []any
		until(t, "others have claimed what it holds", func() bool {
			reply, err := s.redis.Do(t.Context(), "XAUTOCLAIM", s.key, "g", "other", idle.Milliseconds(), "0-0", "COUNT", 5000, "JUSTID").Slice()
			must(t, err)
			ids = append(ids, reply[1].([]any)...)
			return len(ids) > 50
		})
		s.do(append([]any{"XACK", s.key, "g"}, ids...)...)
		slow.Ack()
		rest := acked(t, messages, 2000-500-len(ids))
		if first := fmt.Sprint("event ", 500+len(ids)); rest[0] != first {
			t.Errorf("after %d were claimed, %s comes, want %s", len(ids), rest[0], first)
		}
		none(t, messages)
	})
}

// TestSubscriberForgetsWhatIsGone: pending entries that were removed from the stream.
func TestSubscriberForgetsWhatIsGone(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _ := s.place.pubSub(t, SubscriberConfig{})
		must(t, pub.Publish(s.key, messagesOf("a", "b", "c")...))
		s.do("XGROUP", "CREATE", s.key, "g", "0")
		s.do("XREADGROUP", "GROUP", "g", "c", "STREAMS", s.key, ">")
		entries, err := s.redis.XRange(t.Context(), s.key, "-", "+").Result()
		must(t, err)
		s.do("XDEL", s.key, entries[1].ID)
		_, _, messages := s.subscribe(SubscriberConfig{Group: "g", Consumer: "c"})
		wantValues(t, acked(t, messages, 2), []string{"a", "c"})
		until(t, "nothing is pending", func() bool { return len(s.pending()) == 0 })
	})
}

// TestPubSubWhenConnectionsAreCut again and again, and the server restarted: nothing is
// lost, and what comes for the first time comes in order.
func TestPubSubWhenConnectionsAreCut(t *testing.T) {
	server, err := pipelinetest.StartRedis(t.Context(), pipelinetest.RedisOptions{Durable: true})
	must(t, err)
	t.Cleanup(func() { must(t, server.Stop()) })
	p := place{addr: server.Addr()}
	s := &streamTest{t: t, place: p, redis: p.client(t), key: "topic"}
	pub, _, messages := s.subscribe(SubscriberConfig{Group: "g"})
	const n = 2000
	var others sync.WaitGroup
	defer others.Wait()
	others.Go(func() {
		for i := 0; i < n; {
			if pub.Publish(s.key, messagesOf(fmt.Sprint("event ", i))...) == nil {
				i++
			}
		}
	})
	others.Go(func() {
		for i := range 50 {
			<-within(t, 20*time.Millisecond).Done()
			s.redis.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes") // this one may be cut too
			if i == 25 {
				if err := server.Restart(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	seen := 0
	for seen < n {
		m := receive(t, messages)
		var i int
		_, err := fmt.Sscanf(string(m.Payload), "event %d", &i)
		must(t, err)
		if i > seen {
			t.Fatalf("%d comes before %d", i, seen)
		}
		seen = max(seen, i+1)
		m.Ack()
	}
	until(t, "all is acknowledged", func() bool {
		select {
		case m := <-messages: // once more
			m.Ack()
		default:
		}
		pending, err := s.redis.XPending(t.Context(), s.key, "g").Result()
		return err == nil && pending.Count == 0
	})
}
