//go:build e2e && unix

package redis

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// mover is a shard of a Cluster that is read to the end of what was pushed, whatever
// happens to its slot.
type mover struct {
	*testing.T
	cluster *pipelinetest.RedisCluster
	slot    int
	source  pipeline.Source
	key, by string
	push    func(...string)

	reader    pipeline.Reader // nil: it is to be opened
	committed *pipeline.Position
	pushed    int
	delivered []string
	passing   int // errors that passed
}

// movers gives a list, pushed either way, and a stream that is trimmed, in a Cluster of
// their own.
func movers(t *testing.T, each func(t *testing.T, m *mover)) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cluster, err := pipelinetest.StartRedisCluster(ctx, 3, 0)
	must(t, err)
	t.Cleanup(func() { must(t, cluster.Stop()) })
	p := place{name: "cluster", real: true, cluster: cluster}
	for _, by := range []string{"rpush", "lpush", "xadd"} {
		t.Run(by, func(t *testing.T) {
			m := &mover{T: t, cluster: cluster, key: pipelinetest.Name(t)}
			m.slot, err = cluster.Slot(t.Context(), m.key)
			must(t, err)
			m.shard(p, by)
			each(t, m)
		})
	}
}

// shard makes the source, and what pushes where it reads.
func (m *mover) shard(p place, by string) {
	m.source, m.by = p.list(m.T, quiet, func(s *ListSettings) { s.PushedBy = by }), by
	if by == "xadd" {
		m.source = p.stream(m.T, quiet, trims)
	}
	if p.cluster != nil {
		m.pushTo(p.client(m.T))
	}
}

// pushTo says where is pushed.
func (m *mover) pushTo(c redis.UniversalClient) {
	if m.by == "xadd" {
		s := &streamTest{t: m.T, redis: c, key: m.key}
		m.push = func(values ...string) { s.add(m.pushed+1, values...) }
		return
	}
	l := &listTest{t: m.T, by: m.by, redis: c, key: m.key}
	m.push = l.push
}

// more pushes n.
func (m *mover) more(n int) {
	m.push(numbers(m.pushed, m.pushed+n)...)
	m.pushed += n
}

// passes takes an error: nil, or one that passes by itself. The reader is opened again
// then, as after a crash.
func (m *mover) passes(err error) bool {
	m.Helper()
	if err == nil {
		return true
	}
	if c := pipeline.ClassOf(err); c != pipeline.Unreachable && c != pipeline.Retryable {
		m.Fatal(err)
	}
	m.passing++
	m.crash()
	return false
}

func (m *mover) crash() {
	if m.reader != nil {
		must(m.T, m.reader.Close())
	}
	m.reader = nil
}

// once opens the shard, where it is not open, reads what is there, up to so many, and
// commits and cleans up.
func (m *mover) once(records int) {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), 100*time.Millisecond)
	defer cancel()
	if m.reader == nil {
		r, err := m.source.Open(m.Context(), pipeline.OpenRequest{Shard: m.key, From: m.committed, First: m.committed == nil})
		if !m.passes(err) {
			return
		}
		start := r.Start()
		m.reader, m.committed = r, &start
	}
	b, err := tryRead(ctx, m.reader, pipeline.Limit{Records: records, Bytes: 1 << 20})
	if !m.passes(err) || b.Read == 0 {
		return
	}
	m.delivered = append(m.delivered, values(b)...)
	m.committed = &b.After
	m.passes(m.reader.Settle(m.Context(), b.After))
}

// finish reads to the end: each value has come once, in order.
func (m *mover) finish() {
	m.Helper()
	until(m.T, "all has come", func() bool {
		m.once(1000)
		return len(m.delivered) >= m.pushed
	})
	wantValues(m.T, m.delivered, numbers(0, m.pushed))
	m.crash()
	m.once(10) // what was committed is not there again
	if len(m.delivered) != m.pushed {
		m.Errorf("%d more came", len(m.delivered)-m.pushed)
	}
}

// TestClusterStepByStep opens, reads, commits, cleans up and crashes between any two
// steps of moving a slot key by key: a companion is at one node, its list at another or
// nowhere, and neither is ever taken for missing.
func TestClusterStepByStep(t *testing.T) {
	movers(t, func(t *testing.T, m *mover) {
		m.more(20)
		m.once(7)
		for round := range 6 {
			drained := round%2 == 1
			if drained {
				m.finish()
			}
			owner, err := m.cluster.Owner(t.Context(), m.slot)
			must(t, err)
			steps := 0
			must(t, m.cluster.Move(t.Context(), m.slot, (owner+1)%3, func(string) {
				steps++
				if round > 3 {
					m.crash()
				}
				if !drained || steps%3 == 0 {
					m.more(3)
				}
				m.once(2)
			}))
			if steps < 5 {
				t.Errorf("there were %d steps", steps)
			}
		}
		m.finish()
		t.Logf("%d values, %d errors that passed", m.pushed, m.passing)
	})
}

// TestClusterIsResharded: slots move to and fro all the time while records are pushed,
// read, committed and cleaned up.
func TestClusterIsResharded(t *testing.T) {
	movers(t, func(t *testing.T, m *mover) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var moving sync.WaitGroup
		moves, turns := 0, make(chan struct{}, 1)
		moving.Go(func() {
			for ; ctx.Err() == nil; moves++ {
				<-turns // a request that is redirected is answered within a move or two
				if err := m.cluster.Move(t.Context(), m.slot, moves%3, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
		for m.pushed < 10_000 {
			m.more(50)
			m.once(40)
			select {
			case turns <- struct{}{}:
			default:
			}
		}
		stop()
		close(turns)
		moving.Wait()
		if moves < 20 {
			t.Errorf("the slot was moved %d times", moves)
		}
		m.finish()
		t.Logf("%d values, %d moves, %d errors that passed", m.pushed, moves, m.passing)
	})
}

// TestClusterMasterIsKilled: what it holds is waited for, and goes on when it is back.
func TestClusterMasterIsKilled(t *testing.T) {
	movers(t, func(t *testing.T, m *mover) {
		m.more(30)
		m.once(10)
		owner, err := m.cluster.Owner(t.Context(), m.slot)
		must(t, err)
		must(t, m.cluster.Nodes[owner].Kill())
		m.passing = 0
		for range 5 {
			m.once(10)
		}
		if m.passing == 0 {
			t.Error("a dead master was read from")
		}
		must(t, m.cluster.Nodes[owner].Restart(t.Context()))
		must(t, m.cluster.Whole(t.Context()))
		m.more(30)
		m.finish()
	})
}

// TestClusterFailover: a replica takes over in good order.
func TestClusterFailover(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cluster, err := pipelinetest.StartRedisCluster(ctx, 3, 1)
	must(t, err)
	t.Cleanup(func() { must(t, cluster.Stop()) })
	p := place{real: true, cluster: cluster}
	key := ""
	for i := 0; ; i++ { // one of the first master's
		key = fmt.Sprintf("key%d", i)
		slot, err := cluster.Slot(ctx, key)
		must(t, err)
		if owner, err := cluster.Owner(ctx, slot); err != nil || owner == 0 {
			must(t, err)
			break
		}
	}
	m := &mover{T: t, cluster: cluster, key: key}
	m.shard(p, "rpush")
	m.more(50)
	m.once(20)
	must(t, cluster.Failover(ctx, 3))
	m.more(50)
	m.once(20)
	must(t, cluster.Failover(ctx, 0))
	m.more(50)
	m.finish()
}

// TestClusterPatterns: keys are looked for on all masters.
func TestClusterPatterns(t *testing.T) {
	p := place{real: true, cluster: sharedCluster(t)}
	name := pipelinetest.Name(t)
	c := p.client(t)
	var want []string
	for i := range 30 {
		key := fmt.Sprintf("%s%02d", name, i)
		must(t, c.RPush(t.Context(), key, "a").Err())
		want = append(want, key)
	}
	source := p.list(t, quiet, func(s *ListSettings) { s.Keys = []string{name + "*"} })
	got, err := source.Shards(t.Context())
	must(t, err)
	if !slices.Equal(got, want) {
		t.Errorf("found %v", got)
	}
}

// TestClusterIsNoSingleServer: a plain URL of a node is refused, before it finds a part
// of the keys only.
func TestClusterIsNoSingleServer(t *testing.T) {
	node := sharedCluster(t).Nodes[0]
	p := place{real: true, addr: node.Addr()}
	source := p.list(t, quiet, func(s *ListSettings) { s.Keys = []string{"a*"} })
	_, err := source.Shards(t.Context())
	wantError(t, err, pipeline.Permanent, "is a node of a Redis Cluster", "redis+cluster://")
	refused := 0
	for i := range 20 {
		_, err := p.stream(t, quiet).Open(t.Context(), pipeline.OpenRequest{Shard: fmt.Sprint("key", i)})
		if err != nil {
			wantError(t, err, pipeline.Permanent, "is a node of a Redis Cluster", "redis+cluster://")
			refused++
		}
	}
	if refused < 5 {
		t.Errorf("%d of 20 keys were refused", refused)
	}
}

// TestClusterMayEvict: one master that may evict is enough.
func TestClusterMayEvict(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cluster, err := pipelinetest.StartRedisCluster(ctx, 3, 0)
	must(t, err)
	t.Cleanup(func() { must(t, cluster.Stop()) })
	p := place{real: true, cluster: cluster}
	last := place{addr: cluster.Nodes[2].Addr()}.client(t)
	must(t, last.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	_, err = p.list(t, quiet).Open(t.Context(), pipeline.OpenRequest{Shard: "any"})
	wantError(t, err, pipeline.Permanent, "allkeys-lru")
	r := open(t, p.list(t, quiet, func(s *ListSettings) { s.AllowEviction = true }), "any", nil)
	must(t, r.Close())
}
