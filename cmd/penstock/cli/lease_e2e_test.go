//go:build e2e && unix

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/connectors/kafka"
	connector "github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// leased is a job with several instances and a lease.
type leased struct {
	*job
	life time.Duration
	all  []*pipelinetest.Command
}

func newLeased(t *testing.T, source string) *leased {
	l := &leased{job: newJob(t, source), life: 2 * time.Second}
	l.rest = append(l.rest, fmt.Sprintf("lease: {life: %v}", l.life))
	return l
}

// join starts one more instance.
func (l *leased) join() *pipelinetest.Command {
	l.tb.Helper()
	c := l.start()
	l.all = append(l.all, c)
	return c
}

// active waits for an instance other than some to have the lease, and gives it.
func (l *leased) active(within time.Duration, but ...*pipelinetest.Command) *pipelinetest.Command {
	l.tb.Helper()
	client := l.client()
	defer client.Close()
	var found *pipelinetest.Command
	pipelinetest.Eventually(l.tb, within, "an instance is active", func() bool {
		text := client.Get(l.tb.Context(), connector.LeaseKey(l.name)).Val()
		for _, c := range l.all {
			if strings.Contains(text, fmt.Sprintf(`"pid":%d}`, c.PID())) {
				found = c
			}
		}
		for _, c := range but {
			if found == c {
				found = nil
			}
		}
		return found != nil
	})
	return found
}

// standsBy waits until an instance has said so n times.
func standsBy(tb testing.TB, c *pipelinetest.Command, n int) {
	tb.Helper()
	pipelinetest.Eventually(tb, soon, "an instance stands by", func() bool { return strings.Count(c.Log(), "standing by") >= n })
}

// moves waits until n more events have come.
func (l *leased) moves(pushing *pipelinetest.Pushing, n int) {
	l.tb.Helper()
	at := pushing.Pushed() + n
	pipelinetest.Eventually(l.tb, soon, "events are pushed", func() bool { return pushing.Pushed() >= at })
}

// TestActiveAndStandby: one of three instances is active, whatever becomes of it.
// Stopped, it hands over at once; killed, it is found dead; stopped by SIGSTOP past
// the life of its lease, it goes on as a zombie that commits and removes nothing, and
// stands by; with its lease deleted by hand, somebody takes it.
func TestActiveAndStandby(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			l, shop := newLeased(t, source), newShop()
			if source == "redis_stream" { // with several lanes
				l.keys = append(l.keys, l.name+"-2", l.name+"-3")
				l.rest = append(l.rest, "tasks: 3")
			}
			over := make(chan struct{})
			push := l.push(shop, 50_000, 8_000)
			push.Linger = over
			pushing := push.Start(t)
			first := l.join()
			l.active(soon)
			second, third := l.join(), l.join()
			standsBy(t, second, 1)
			standsBy(t, third, 1)
			wantIn(t, second.Log(), fmt.Sprintf("/%d/", first.PID()), "is active since")

			began := time.Now()
			stopped(t, first)
			current := l.active(soon, first)
			t.Logf("after SIGTERM the next is active in %v", time.Since(began))
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("the handing over took %v", took)
			}
			l.moves(pushing, 1_000)

			zombie := current
			zombie.Signal(syscall.SIGSTOP)
			began = time.Now()
			l.active(soon, zombie)
			t.Logf("after SIGSTOP the next is active in %v", time.Since(began))
			if took := time.Since(began); took > l.life+2*time.Second {
				t.Errorf("the take-over took %v, and the life is %v", took, l.life)
			}
			l.moves(pushing, 1_000)
			zombie.Signal(syscall.SIGCONT)
			standsBy(t, zombie, 2)
			l.moves(pushing, 1_000)

			current = l.active(soon)
			began = time.Now()
			current.Kill()
			current = l.active(soon, current)
			t.Logf("after SIGKILL the next is active in %v", time.Since(began))
			if took := time.Since(began); took > l.life+2*time.Second {
				t.Errorf("the take-over took %v, and the life is %v", took, l.life)
			}
			l.moves(pushing, 1_000)

			last := l.join()
			standsBy(t, last, 1)
			must(t, l.client().Del(t.Context(), connector.LeaseKey(l.name)).Err())
			l.active(soon)
			l.moves(pushing, 1_000)

			close(over)
			pushing.Wait(t, soon)
			l.emptied(soon)
			for _, c := range []*pipelinetest.Command{current, last} {
				stopped(t, c)
			}
			l.check(shop)
			if n := l.client().Exists(t.Context(), connector.LeaseKey(l.name)).Val(); n != 0 {
				t.Error("a lease is left after the last has stopped")
			}
		})
	}
}

// TestLeaseOverARestartOfRedis: with Redis away nobody takes anything over, and when
// it is back one instance works and the other stands by.
func TestLeaseOverARestartOfRedis(t *testing.T) {
	t.Parallel()
	l, shop := newLeased(t, "redis_list"), newShop()
	server := redisOf(t, pipelinetest.RedisOptions{Durable: true})
	l.redis = server.Addr()
	pushing := l.push(shop, 20_000, 10_000).Start(t)
	first := l.join()
	l.active(soon)
	second := l.join()
	standsBy(t, second, 1)
	must(t, server.Kill())
	pipelinetest.Eventually(t, soon, "both notice", func() bool {
		return strings.Contains(first.Log(), "degraded: ") && strings.Contains(second.Log(), "degraded: ")
	})
	must(t, server.Restart(t.Context()))
	pushing.Wait(t, soon)
	l.emptied(soon)
	current := l.active(soon)
	stopped(t, current)
	other := l.active(soon, current)
	stopped(t, other)
	l.check(shop)
}

// TestTakeoverWithoutALease: where Redis refuses the lease, that is said, and a second
// instance takes over; the first ends, and nothing is lost or doubled.
func TestTakeoverWithoutALease(t *testing.T) {
	t.Parallel()
	j, shop := newJob(t, "redis_list"), newShop()
	must(t, j.client().Do(t.Context(), "ACL", "SETUSER", j.name, "on", ">s3cret", "+@all", "~"+j.keys[0], "~penstock:{"+j.keys[0]+"}").Err())
	t.Cleanup(func() { j.client().Do(context.Background(), "ACL", "DELUSER", j.name) })
	j.login = j.name + ":s3cret@"
	pushing := j.push(shop, 30_000, 10_000).Start(t)
	current := j.start()
	for _, at := range []int{10_000, 20_000} {
		pipelinetest.Eventually(t, soon, "events are pushed", func() bool { return pushing.Pushed() >= at })
		next := j.start()
		if code := current.Exit(soon); code != exitFailed {
			t.Errorf("the first instance ended with code %d", code)
		}
		wantIn(t, current.Log(), "taken over by", "one active instance", "a lease at penstock:lease:{"+j.name+"}", "a second one takes over")
		current = next
	}
	pushing.Wait(t, soon)
	j.emptied(soon)
	stopped(t, current)
	j.check(shop)
}

// TestSleeperOpensItsLane: who had the lease long ago and has been asleep while it opened its
// lane fences the active instance. That one still has the lease: it takes the lane back,
// and goes on.
func TestSleeperOpensItsLane(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			l, shop := newLeased(t, source), newShop()
			pushing := l.push(shop, 20_000, 8_000).Start(t)
			current := l.join()
			current.Await(soon, "shard starts") // its lane is open
			sink, err := kafka.NewSink(kafka.SinkSettings{Connection: kafka.Connection{Brokers: []string{l.kafka}}, Topic: l.name, Compression: "none", Transaction: 10 * time.Second},
				pipeline.ExactlyOnce, kafka.DeadLetters{}, slog.New(slog.DiscardHandler))
			must(t, err)
			defer sink.Close() //nolint:errcheck // a test
			lane, _, err := sink.Open(t.Context(), pipeline.LaneID{Pipeline: l.name, Lanes: 1, Instance: "the sleeper"})
			must(t, err)
			pushing.Wait(t, soon)
			l.emptied(soon)
			must(t, lane.Close(t.Context()))
			wantIn(t, current.Log(), "what ended the work of this instance", "taken over by the sleeper")
			stopped(t, current)
			l.check(shop)
		})
	}
}
