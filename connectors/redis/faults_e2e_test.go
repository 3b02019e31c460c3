//go:build e2e && unix

package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// private starts a Redis of the test's own.
func private(t *testing.T, args ...string) (*pipelinetest.Redis, place) {
	t.Helper()
	r, err := pipelinetest.StartRedis(t.Context(), pipelinetest.RedisOptions{Args: args})
	must(t, err)
	t.Cleanup(func() { must(t, r.Stop()) })
	return r, place{name: "private", addr: r.Addr(), real: true}
}

// killing makes Redis cut the connections of everybody else again and again.
func killing(t *testing.T, c redis.UniversalClient) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			if err := c.Do(ctx, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil && ctx.Err() == nil {
				done <- err
				return
			}
			until(t, "a breath", func() bool { return ctx.Err() != nil || time.Now().UnixMilli()%7 == 0 })
		}
		done <- nil
	}()
	return func() {
		cancel()
		must(t, <-done)
	}
}

// exactly reads and settles, over every error that passes, until n records came,
// as the engine does.
func exactly(t *testing.T, r pipeline.Reader, n int, limit pipeline.Limit) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	committed, troubles := r.Start(), 0
	var got []string
	for len(got) < n || committed.Offset != settled(ctx, t, r, committed) {
		b, err := tryRead(ctx, r, limit)
		if err != nil {
			if c := pipeline.ClassOf(err); c != pipeline.Unreachable && c != pipeline.Retryable || ctx.Err() != nil {
				t.Fatalf("after %d records and %d troubles: %v", len(got), troubles, err)
			}
			troubles++
			must(t, r.Rewind(committed))
			continue
		}
		if b.After != (pipeline.Position{}) {
			got, committed = append(got, values(b)...), b.After
		}
		if len(got)%3 == 0 { // now and then the cleaning comes late
			settled(ctx, t, r, committed)
		}
	}
	t.Logf("%d troubles on the way", troubles)
	return got
}

// settled cleans up, if the server lets it, and tells how far.
func settled(ctx context.Context, t *testing.T, r pipeline.Reader, p pipeline.Position) pipeline.Offset {
	t.Helper()
	err := r.Settle(ctx, p)
	if err == nil {
		return p.Offset
	}
	if c := pipeline.ClassOf(err); c != pipeline.Unreachable && c != pipeline.Retryable {
		t.Fatal(err)
	}
	return pipeline.Offset{}
}

func TestConnectionsAreCut(t *testing.T) {
	_, p := private(t)
	want := numbers(0, 5000)
	for by := range pushes {
		t.Run(by, func(t *testing.T) {
			l := &listTest{t: t, place: p, by: by, redis: p.client(t), key: by}
			l.push(want...)
			r := open(t, l.source(), l.key, nil)
			stop := killing(t, p.client(t))
			wantValues(t, exactly(t, r, len(want), pipeline.Limit{Records: 20, Bytes: 1 << 20}), want)
			stop()
		})
	}
	t.Run("stream", func(t *testing.T) {
		s := &streamTest{t: t, place: p, redis: p.client(t), key: "stream"}
		s.add(1, want...)
		r := open(t, s.source(trims), s.key, nil)
		stop := killing(t, p.client(t))
		wantValues(t, exactly(t, r, len(want), pipeline.Limit{Records: 20, Bytes: 1 << 20}), want)
		stop()
	})
}

// While Redis stands still, everything that is asked ends with an error in time;
// then it goes on where it was. A reply that nobody took for long is still good.
func TestRedisPaused(t *testing.T) {
	server, p := private(t)
	l := &listTest{t: t, place: p, by: "rpush", redis: p.client(t), key: "list"}
	l.push(numbers(0, 100)...)
	s := &streamTest{t: t, place: p, redis: l.redis, key: "stream"}
	s.add(1, numbers(0, 100)...)
	readers := []pipeline.Reader{open(t, l.source(), "list", nil), open(t, s.source(), "stream", nil)}
	var ends []pipeline.Position
	for _, r := range readers {
		_, end := take(t, r, 10, pipeline.Limit{Records: 10, Bytes: 1 << 20})
		ends = append(ends, end)
	}
	must(t, server.Pause())
	for i, r := range readers {
		must(t, r.Rewind(ends[i]))
		began := time.Now()
		err := r.Wait(t.Context())
		wantError(t, err, pipeline.Unreachable, p.addr)
		if took := time.Since(began); took > 2*(blockFor+answerPatience) {
			t.Errorf("it took %v to notice", took)
		}
		closing := make(chan error, 1)
		go func() { closing <- r.Wait(t.Context()) }()
		if i == 1 { // Close does not wait for a server that stands still
			began = time.Now()
			must(t, r.Close())
			if took := time.Since(began); took > time.Second {
				t.Errorf("Close took %v", took)
			}
		}
		if <-closing == nil {
			t.Error("Wait found something")
		}
	}
	must(t, server.Resume())
	got := exactlyFrom(t, readers[0], ends[0], 90)
	wantValues(t, got, numbers(10, 100))
}

// exactlyFrom reads on after errors until n records came.
func exactlyFrom(t *testing.T, r pipeline.Reader, from pipeline.Position, n int) []string {
	t.Helper()
	must(t, r.Rewind(from))
	var got []string
	until(t, fmt.Sprintf("%d records", n), func() bool {
		b, err := tryRead(t.Context(), r, large)
		if err == nil {
			got = append(got, values(b)...)
		}
		return len(got) >= n
	})
	return got
}

// A killed Redis that keeps its writes: nothing is lost or comes twice.
func TestRedisKilled(t *testing.T) {
	server, err := pipelinetest.StartRedis(t.Context(), pipelinetest.RedisOptions{Durable: true})
	must(t, err)
	t.Cleanup(func() { must(t, server.Stop()) })
	p := place{addr: server.Addr(), real: true}
	l := &listTest{t: t, place: p, by: "rpush", redis: p.client(t), key: "list"}
	s := &streamTest{t: t, place: p, redis: l.redis, key: "stream"}
	want := numbers(0, 300)
	l.push(want...)
	s.add(1, want...)
	for name, r := range map[string]pipeline.Reader{"list": open(t, l.source(), "list", nil), "stream": open(t, s.source(trims), "stream", nil)} {
		got, after := take(t, r, 100, pipeline.Limit{Records: 30, Bytes: 1 << 20})
		must(t, server.Kill())
		wantError(t, r.Settle(t.Context(), after), pipeline.Unreachable)
		if _, err := tryRead(t.Context(), r, large); err == nil {
			_, err = tryRead(t.Context(), r, large) // what had come before
			_ = err
		}
		must(t, server.Restart(t.Context()))
		rest := exactlyFrom(t, r, after, 200)
		if !slices.Equal(append(got, rest...), want) {
			t.Errorf("%s: got %d and %d records", name, len(got), len(rest))
		}
		must(t, r.Settle(t.Context(), after))
	}
}

func TestUnixSocket(t *testing.T) {
	path := t.TempDir() + "/redis.sock"
	_, p := private(t, "--unixsocket", path)
	must(t, p.client(t).RPush(t.Context(), "list", "a").Err())
	r := open(t, p.list(t, quiet, func(s *ListSettings) { s.URL = pipeline.Secret("unix://" + path) }), "list", nil)
	got, _ := take(t, r, 1, large)
	wantValues(t, got, []string{"a"})
}

// acl is the smallest set of rights, as README.md shows it.
var acl = []string{"on", ">s3cret", "~events", "~penstock:{events}", "+multi", "+exec", "+hmget", "+hset", "+exists", "+hget", "+lrange", "+llen", "+lindex", "+ltrim",
	"+blmove", "~penstock:lease:*", "+get", "+set", "+getrange", "+pexpire", "+del", "+type", "+eval", "+evalsha", "+xread", "+xinfo|stream", "+xrange", "+xrevrange", "+xtrim", "+config|get", "+scan", "+select", "+info"}

func TestUserWithTheFewestRights(t *testing.T) {
	_, p := private(t)
	admin := p.client(t)
	as := func(user string) pipeline.Secret { return pipeline.Secret("redis://" + user + "@" + p.addr + "/0") }
	must(t, admin.Do(t.Context(), append([]any{"ACL", "SETUSER", "penstock"}, toAny(acl)...)...).Err())
	url := as("penstock:s3cret")
	l := &listTest{t: t, place: p, by: "rpush", redis: admin, key: "events"}
	r := open(t, l.source(func(s *ListSettings) { s.URL = url }), "events", nil)
	woken := make(chan error, 1)
	go func() { woken <- r.Wait(t.Context()) }()
	l.awaitBlocked()
	l.push("a")
	must(t, <-woken)
	_, after := take(t, r, 1, large)
	must(t, r.Settle(t.Context(), after))
	must(t, admin.Del(t.Context(), "events", "penstock:{events}").Err())

	s := &streamTest{t: t, place: p, redis: admin, key: "events"}
	s.add(1, "a")
	sr, err := s.source(trims, func(s *StreamSettings) { s.URL = url }).Open(t.Context(), pipeline.OpenRequest{Shard: "events", KeepsPosition: true})
	must(t, err)
	_, after = take(t, sr, 1, large)
	must(t, sr.Settle(t.Context(), after))
	if _, err := sr.Tail(t.Context()); err != nil {
		t.Error(err)
	}
	must(t, sr.Close())

	log, said := recorded()
	lease, err := NewLease(Connection{URL: url}, "shop", "one", time.Minute, log)
	must(t, err)
	takes(t, lease, true)
	takes(t, lease, false)
	must(t, lease.Release(t.Context()))
	must(t, lease.Close())
	if said.Len() > 0 {
		t.Errorf("the lease said %s", said)
	}

	_, err = l.source(func(s *ListSettings) { s.URL = as("penstock:wrong") }).Open(t.Context(), pipeline.OpenRequest{Shard: "events"})
	wantError(t, err, pipeline.Unreachable, "WRONGPASS", "user and password")
	_, err = l.source(func(s *ListSettings) { s.URL = url }).Open(t.Context(), pipeline.OpenRequest{Shard: "forbidden"})
	wantError(t, err, pipeline.Unreachable, "ACL")
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%q holds the password", err)
	}
	must(t, admin.Do(t.Context(), "ACL", "SETUSER", "default", "resetpass", ">top").Err())
	_, err = l.source().Open(t.Context(), pipeline.OpenRequest{Shard: "events"})
	wantError(t, err, pipeline.Unreachable, "NOAUTH")
	open(t, l.source(func(s *ListSettings) { s.URL = as(":top") }), "elsewhere", nil)
}

// Connections that end between drains, as they do with Redis's timeout, are
// nothing to speak of.
func TestIdleConnectionsEndBetweenDrains(t *testing.T) {
	_, p := private(t)
	l := &listTest{t: t, place: p, by: "rpush", redis: p.client(t), key: "list"}
	s := &streamTest{t: t, place: p, redis: l.redis, key: "stream"}
	every := Trigger{Every: 700 * time.Millisecond}
	for name, c := range map[string]struct {
		source pipeline.Source
		add    func(i int)
	}{
		"list":   {l.source(func(s *ListSettings) { s.Trigger = every }), func(i int) { l.push(numbers(i, i+1)...) }},
		"stream": {s.source(func(s *StreamSettings) { s.Trigger = every }), func(i int) { s.add(i+1, numbers(i, i+1)...) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, c.source, name, nil)
			for i := range 4 {
				c.add(i)
				b, err := tryRead(t.Context(), r, large)
				must(t, err)
				wantValues(t, values(b), numbers(i, i+1))
				must(t, r.Settle(t.Context(), b.After))
				s.do("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
			}
		})
	}
}

// The exchange that goes on must not outlive its connection: a reply that was cut
// in the middle is asked for again, whole.
func TestReplyCutInTheMiddle(t *testing.T) {
	p := places(t)[0]
	for cut := range 12 {
		through := cutting(t, p.addr, 40+cut*113)
		l := &listTest{t: t, place: place{addr: through, real: true}, by: "rpush", redis: p.client(t), key: pipelinetest.Name(t)}
		l.push(numbers(0, 60)...)
		r, err := l.source().Open(t.Context(), pipeline.OpenRequest{Shard: l.key})
		for errors.As(err, new(*pipeline.Error)) { // the opening can be cut too
			r, err = l.source().Open(t.Context(), pipeline.OpenRequest{Shard: l.key})
		}
		must(t, err)
		wantValues(t, exactly(t, r, 60, pipeline.Limit{Records: 7, Bytes: 1 << 20}), numbers(0, 60))
		must(t, r.Close())
	}
}

// cutting gives the address of a way to a server whose connections are cut after
// so many bytes of replies; from the tenth on they hold.
func cutting(t *testing.T, addr string, after int) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, listener.Close()) })
	go func() {
		for n := 0; ; n++ {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			go cutAfter(from, addr, after, n < 10)
		}
	}()
	return listener.Addr().String()
}

func cutAfter(from net.Conn, addr string, after int, cuts bool) {
	to, err := net.Dial("tcp", addr)
	if err != nil {
		from.Close() //nolint:errcheck // the test fails by itself
		return
	}
	go func() {
		defer to.Close()
		buf := make([]byte, 4096)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	defer from.Close()
	buf := make([]byte, 64)
	for sent := 0; !cuts || sent < after; {
		n, err := to.Read(buf)
		if err != nil {
			return
		}
		if _, err := from.Write(buf[:n]); err != nil {
			return
		}
		sent += n
	}
}
