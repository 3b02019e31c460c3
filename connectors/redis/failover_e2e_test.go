//go:build e2e && unix

package redis

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestStreamOfAServerThatLostEntries: after a failover or a crash that lost the newest
// entries, others can have come in their place whose ids lie before the position, and so
// many that no count shows it. The entry at the position is not there then.
func TestStreamOfAServerThatLostEntries(t *testing.T) {
	for name, c := range map[string]struct {
		lose  func(s *streamTest)
		words string // of the gap; empty: there is none
	}{
		"others in their place": {func(s *streamTest) {
			s.add(1, "a", "b", "c", "d")
			s.do("XADD", s.key, "4-1", "v", "hidden")
			s.add(6, "f", "g")
		}, "has entries up to 4-1 and after"},
		"it was restored whole":     {func(s *streamTest) { s.add(1, "a", "b", "c", "d", "e", "f", "g") }, ""},
		"what was read was trimmed": {func(s *streamTest) { s.add(1, "a", "b", "c", "d", "e", "f", "g"); s.do("XTRIM", s.key, "MINID", "6-0") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server, p := private(t)
			s := &streamTest{t: t, place: p, redis: p.client(t), key: "events"}
			s.add(1, "a", "b", "c", "d", "e")
			running := open(t, s.source(), s.key, nil)
			got, after := take(t, running, 5, large)
			wantValues(t, got, []string{"a", "b", "c", "d", "e"})
			if after.Evidence.ReplicationID == "" {
				t.Fatal("the position does not say whose it is")
			}
			must(t, server.Restart(t.Context()))
			c.lose(s)
			must(t, running.Rewind(after)) // as when its connection is cut
			for _, r := range []pipeline.Reader{running, open(t, s.source(), s.key, &after)} {
				if c.words == "" {
					got, next := take(t, r, 2, large)
					wantValues(t, got, []string{"f", "g"})
					if next.Evidence.ReplicationID == after.Evidence.ReplicationID {
						t.Error("the position does not say that the server is another one")
					}
					continue
				}
				wantError(t, r.Wait(t.Context()), pipeline.Gap, c.words)
			}
			if c.words != "" {
				got, _ := take(t, open(t, s.source(streamContinues), s.key, &after), 7, large)
				wantValues(t, got, []string{"a", "b", "c", "d", "hidden", "f", "g"})
			}
		})
	}
}

// sentineled starts two servers and a Sentinel.
func sentineled(t *testing.T) (*pipelinetest.RedisSentinels, place) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := pipelinetest.StartRedisSentinels(ctx)
	must(t, err)
	t.Cleanup(func() { must(t, s.Stop()) })
	return s, place{real: true, sentinel: s.URL()}
}

// TestSentinelFailover: the master dies, and the replica has all it had.
func TestSentinelFailover(t *testing.T) {
	for _, by := range []string{"rpush", "xadd"} {
		t.Run(by, func(t *testing.T) {
			servers, p := sentineled(t)
			first, second := place{addr: servers.Servers[0].Addr()}.client(t), place{addr: servers.Servers[1].Addr()}.client(t)
			m := &mover{T: t, key: "events"}
			m.shard(p, by)
			m.pushTo(first)
			m.more(50)
			m.once(20)
			m.once(20)
			until(t, "the replica has all", func() bool {
				a, b := first.Info(t.Context(), "replication").Val(), second.Info(t.Context(), "replication").Val()
				return offsetOf(a, "master_repl_offset:") == offsetOf(b, "slave_repl_offset:")
			})
			must(t, servers.Servers[0].Kill())
			until(t, "the Sentinel names the replica", func() bool {
				n, err := servers.Master(t.Context())
				return err == nil && n == 1 && strings.Contains(second.Info(t.Context(), "replication").Val(), "role:master")
			})
			m.pushTo(second)
			m.more(50)
			m.finish()
		})
	}
}

func offsetOf(info, field string) string {
	_, after, _ := strings.Cut(info, field)
	offset, _, _ := strings.Cut(after, "\r")
	return offset
}

// TestSentinelSplit: a master that has lost touch goes on taking writes, which are read
// and delivered; the others have another master meanwhile. Whoever is then connected to
// that one says so, and does not pass over what it holds.
func TestSentinelSplit(t *testing.T) {
	for _, by := range []string{"rpush", "xadd"} {
		t.Run(by, func(t *testing.T) {
			servers, p := sentineled(t)
			first, second := place{addr: servers.Servers[0].Addr()}.client(t), place{addr: servers.Servers[1].Addr()}.client(t)
			m := &mover{T: t, key: "events"}
			m.shard(p, by)
			m.pushTo(first)
			m.more(20)
			for len(m.delivered) < 20 {
				m.once(20)
			}
			must(t, servers.Follow(t.Context(), 1, 0))
			must(t, servers.Cut(t.Context()))
			m.more(5) // to the one that has lost touch, whose reader is still connected
			for len(m.delivered) < 25 {
				m.once(20)
			}
			m.pushTo(second)
			m.pushed = 100 // other values, and ids beyond the position
			if by == "xadd" {
				must(t, second.Do(t.Context(), "XADD", m.key, "22-5", "v", "hidden").Err())
			}
			m.more(30)
			m.crash()
			r, err := m.source.Open(t.Context(), pipeline.OpenRequest{Shard: m.key, From: m.committed})
			if err == nil {
				err = r.Wait(t.Context())
				must(t, r.Close())
			}
			wantError(t, err, pipeline.Gap, m.key)
		})
	}
}
