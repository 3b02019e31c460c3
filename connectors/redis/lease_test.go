//go:build unix

package redis

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// leaseTest is a pipeline's lease at a place.
type leaseTest struct {
	*testing.T
	place
	name  string
	redis redis.UniversalClient
}

func newLeaseTest(t *testing.T, p place) *leaseTest {
	l := &leaseTest{T: t, place: p, name: pipelinetest.Name(t), redis: p.client(t)}
	t.Cleanup(func() { l.redis.Del(t.Context(), LeaseKey(l.name)) })
	return l
}

// of gives the lease as an instance sees it.
func (l *leaseTest) of(instance string, life time.Duration, log *slog.Logger) *Lease {
	l.Helper()
	lease, err := NewLease(Connection{URL: l.url()}, l.name, instance, life, log)
	must(l, err)
	l.Cleanup(func() { must(l, lease.Close()) })
	return lease
}

// takes wants Take to succeed.
func takes(t *testing.T, l *Lease, wantAnew bool) {
	t.Helper()
	if anew, err := l.Take(t.Context()); err != nil || anew != wantAnew {
		t.Errorf("%s took the lease: anew %v, %v; want %v", l.instance, anew, err, wantAnew)
	}
}

// stands wants Take to name the other.
func stands(t *testing.T, l *Lease, other string) {
	t.Helper()
	_, err := l.Take(t.Context())
	taken, ok := errors.AsType[*pipeline.Taken](err)
	if !ok || taken.Instance != other || other != "" && time.Since(taken.Since).Abs() > time.Minute {
		t.Errorf("%s got %v, want that %q has the lease", l.instance, err, other)
	}
}

func TestLease(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		l := newLeaseTest(t, p)
		one, two := l.of("host/1/one", time.Minute, quiet), l.of("host/2/two", time.Minute, quiet)
		takes(t, one, true)
		takes(t, one, false)
		stands(t, two, "host/1/one")
		must(t, two.Release(t.Context())) // it has nothing
		takes(t, one, false)
		if left := l.redis.PTTL(t.Context(), LeaseKey(l.name)).Val(); left < 50*time.Second || left > time.Minute {
			t.Errorf("the lease ends in %v", left)
		}
		must(t, one.Release(t.Context()))
		takes(t, two, true)
		stands(t, one, "host/2/two")
		must(t, l.redis.Del(t.Context(), LeaseKey(l.name)).Err())
		takes(t, two, true) // nobody had it meanwhile, as far as it knows
		must(t, l.redis.Del(t.Context(), LeaseKey(l.name)).Err())
		takes(t, one, true)
		stands(t, two, "host/1/one")
		must(t, two.Release(t.Context()))
		takes(t, one, false)
		must(t, one.Release(t.Context()))
		must(t, one.Release(t.Context()))
		if n := l.redis.Exists(t.Context(), LeaseKey(l.name)).Val(); n != 0 {
			t.Error("the lease is still there")
		}
	})
}

// What an instance did not hear the answer to, it may have: it is given back.
func TestLeaseReleasesWhatItMayHave(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		l := newLeaseTest(t, p)
		one := l.of("one", time.Minute, quiet)
		takes(t, one, true)
		one.lock = nil // the answer was lost
		takes(t, one, true)
		one.lock = nil
		must(t, one.Release(t.Context()))
		takes(t, l.of("two", time.Minute, quiet), true)
	})
}

func TestLeaseOfTheDead(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		l := newLeaseTest(t, p)
		next := l.of("next", time.Minute, quiet)
		dead := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		must(t, dead.Run())
		holds := func(h holder) {
			text, err := json.Marshal(h)
			must(t, err)
			must(t, l.redis.Set(t.Context(), LeaseKey(l.name), strings.Repeat("x", tokenLength)+string(text), time.Minute).Err())
		}
		now := time.Now()
		holds(holder{Version: leaseVersion, Instance: "alive", Since: now, Place: machine(), PID: os.Getppid()})
		stands(t, next, "alive")
		holds(holder{Version: leaseVersion, Instance: "elsewhere", Since: now, Place: "another boot pid:[1]", PID: dead.Process.Pid})
		stands(t, next, "elsewhere")
		holds(holder{Version: leaseVersion, Instance: "nowhere", Since: now, PID: dead.Process.Pid})
		stands(t, next, "nowhere")
		holds(holder{Version: leaseVersion + 1, Instance: "of the future", Since: now, Place: machine(), PID: dead.Process.Pid})
		stands(t, next, "")
		holds(holder{Version: leaseVersion, Instance: "dead", Since: now, Place: machine(), PID: dead.Process.Pid})
		if machine() == "" { // nobody can tell here
			stands(t, next, "dead")
			return
		}
		takes(t, next, true)
	})
}

func TestLeaseOfSomethingElse(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		l := newLeaseTest(t, p)
		one := l.of("one", time.Minute, quiet)
		for _, text := range []string{"", "short", strings.Repeat("x", 200)} {
			must(t, l.redis.Set(t.Context(), LeaseKey(l.name), text, 0).Err())
			stands(t, one, "")
		}
		must(t, l.redis.Del(t.Context(), LeaseKey(l.name)).Err())
		must(t, l.redis.RPush(t.Context(), LeaseKey(l.name), "a").Err())
		_, err := one.Take(t.Context())
		class := pipeline.Permanent
		if !p.real { // miniredis puts other words before
			class = pipeline.Retryable
		}
		wantError(t, err, class, LeaseKey(l.name), "WRONGTYPE")
	})
}

func TestLeaseRunsOut(t *testing.T) {
	for _, p := range places(t) {
		if !p.real { // where time stands still
			continue
		}
		l := newLeaseTest(t, p)
		takes(t, l.of("one", 300*time.Millisecond, quiet), true)
		two := l.of("two", time.Minute, quiet)
		stands(t, two, "one")
		pipelinetest.Eventually(t, 10*time.Second, "the lease runs out", func() bool {
			_, err := two.Take(t.Context())
			return err == nil
		})
	}
}

func TestLeaseOfNobodyThere(t *testing.T) {
	lease, err := NewLease(Connection{URL: "redis://127.0.0.1:1"}, "shop", "one", time.Minute, quiet)
	must(t, err)
	defer lease.Close()
	_, err = lease.Take(t.Context())
	wantError(t, err, pipeline.Unreachable, "taking the lease penstock:lease:{shop}")
	wantError(t, lease.Release(t.Context()), pipeline.Unreachable, "giving the lease penstock:lease:{shop} back")
	_, err = NewLease(Connection{URL: "http://x"}, "shop", "one", time.Minute, quiet)
	wantError(t, err, pipeline.Permanent, "url of Redis")
}
