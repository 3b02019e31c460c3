//go:build e2e && unix

package redis

import (
	"slices"
	"strconv"
	"strings"
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

// TestGroupTakesOver: who waits for new entries is handed what another one has left when
// claim_idle is over, in order, and as handed out once more; by XREADGROUP … CLAIM where
// the server takes it.
func TestGroupTakesOver(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		const idle = 800 * time.Millisecond
		s.do("XGROUP", "CREATE", s.key, "g", "0", "MKSTREAM")
		s.add(1, numbers(0, 20)...)
		began := time.Now()
		s.do("XREADGROUP", "GROUP", "g", "gone", "COUNT", "20", "STREAMS", s.key, ">")
		source := s.group("heir", func(s *StreamSettings) { s.Group.ClaimIdle = idle })
		r := s.join(source)
		var got []string
		until(t, "all is taken over", func() bool {
			b, err := tryRead(within(t, 2*idle), r, large)
			if err == nil && b.Read > 0 {
				got = append(got, values(b)...)
			}
			return len(got) >= 20
		})
		wantValues(t, got, numbers(0, 20))
		if took := time.Since(began); took < idle {
			t.Errorf("taken over after %v", took)
		}
		s.wantPending("2:20")
		info, err := s.redis.InfoMap(t.Context(), "server").Result()
		must(t, err)
		version := strings.Split(info["Server"]["redis_version"], ".")
		major, _ := strconv.Atoi(version[0])
		minor, _ := strconv.Atoi(version[1])
		_, valkey := info["Server"]["valkey_version"]
		if claims := !valkey && (major > 8 || major == 8 && minor >= 4); (source.claims == present) != claims {
			t.Errorf("Redis %v: CLAIM is known as %v", version, source.claims)
		}
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

// forgotten makes a consumer of the group "g" that holds nothing, waits until somebody has
// removed it, and gives those that are left.
func (s *streamTest) forgotten(meanwhile func()) (left []string) {
	s.t.Helper()
	s.do("XGROUP", "CREATECONSUMER", s.key, "g", "silent")
	until(s.t, "the silent one is gone", func() bool {
		meanwhile()
		consumers, err := s.redis.XInfoConsumers(s.t.Context(), s.key, "g").Result()
		must(s.t, err)
		left = nil
		for _, c := range consumers {
			left = append(left, c.Name)
		}
		return !slices.Contains(left, "silent")
	})
	slices.Sort(left)
	return left
}

// TestGroupKeepsItsOwnConsumers: Redis 7.0 takes one that waits for one that is silent. The
// second is that, by any Redis, for longer than another one that is removed for it.
func TestGroupKeepsItsOwnConsumers(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		source := s.group("own", func(s *StreamSettings) { s.Group.Consumers, s.Group.ClaimIdle = 2, 5*time.Millisecond })
		shards, err := source.Shards(t.Context())
		must(t, err)
		var readers []pipeline.Reader
		for i, shard := range shards {
			r := open(t, source, shard, nil)
			s.add(1+i, "x")
			b, err := tryRead(within(t, time.Second), r, large)
			must(t, err)
			must(t, r.Settle(t.Context(), b.After))
			readers = append(readers, r)
		}
		left := s.forgotten(func() { _, _ = tryRead(within(t, 20*time.Millisecond), readers[0], large) })
		wantValues(t, left, []string{"own#1", "own#2"})
	})
}
