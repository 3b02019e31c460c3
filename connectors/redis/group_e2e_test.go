//go:build e2e && unix

package redis

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// What miniredis does otherwise than Redis: idle times and lags of groups.

func claims(s *StreamSettings) { s.Group.ClaimIdle = 50 * time.Millisecond }

func TestGroupClaims(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 100)...)
		take(t, s.join(s.group("gone")), firstCount, pipeline.Limit{Records: 60, Bytes: 4 << 20})
		r := s.join(s.group("heir", claims))
		var got []string
		until(t, "all is claimed", func() bool {
			b, err := tryRead(within(t, 100*time.Millisecond), r, large)
			if err == nil && b.Read > 0 {
				got = append(got, values(b)...)
				must(t, r.Settle(t.Context(), b.After))
			}
			return len(got) >= 100
		})
		slices.SortFunc(got, byNumber)
		wantValues(t, got, numbers(0, 100))
		s.wantPending("")
	})
}

// TestGroupForgetsConsumers that are silent for long and hold nothing.
func TestGroupForgetsConsumers(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 2)...)
		s.do("XGROUP", "CREATE", s.key, "g", "0")
		s.do("XGROUP", "CREATECONSUMER", s.key, "g", "idle")
		r := s.join(s.group("one", claims, func(s *StreamSettings) { s.Group.ClaimIdle = 5 * time.Millisecond }))
		until(t, "the idle one is gone", func() bool {
			_, _ = tryRead(within(t, 20*time.Millisecond), r, large)
			consumers, err := s.redis.XInfoConsumers(t.Context(), s.key, "g").Result()
			must(t, err)
			return !slices.ContainsFunc(consumers, func(c redis.XInfoConsumer) bool { return c.Name == "idle" })
		})
		must(t, r.Close())
	})
}
