//go:build e2e && unix

package redis

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// full fills a Redis with other data until it takes no more.
func full(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	filler := strings.Repeat("x", 4<<10)
	for refused := 0; refused < 100; { // buffers of clients come and go
		if refused == 1 {
			filler = "x" // up to the last byte
		}
		err := c.Set(t.Context(), "filler:"+rand.Text(), filler, 0).Err()
		switch {
		case err == nil:
			refused = 0
		case strings.HasPrefix(err.Error(), "OOM"):
			refused++
		default:
			t.Fatal(err)
		}
	}
}

// A Redis that is out of memory is just what a drain helps against.
func TestOutOfMemoryTheDrainGoesOn(t *testing.T) {
	for _, by := range []string{"rpush", "lpush"} {
		t.Run(by, func(t *testing.T) {
			_, p := private(t, "--maxmemory", "24mb", "--maxmemory-policy", "noeviction")
			l := &listTest{t: t, place: p, by: by, redis: p.client(t), key: "list"}
			s := l.source()
			var pushed []string
			for i := range 100 {
				batch := numbers(i*100, i*100+100)
				for j := range batch {
					batch[j] += strings.Repeat(".", 1000)
				}
				pushed = append(pushed, batch...)
				l.push(batch...)
			}
			r := open(t, s, l.key, nil)
			full(t, l.redis)
			// The first companion cannot be made: it is waited for.
			_, err := s.Open(t.Context(), pipeline.OpenRequest{Shard: "another list"})
			wantError(t, err, pipeline.Retryable, "OOM")

			before := usedMemory(t, l.redis)
			var got []string
			for len(got) < len(pushed) {
				b := read(t, r, large)
				got = append(got, values(b)...)
				must(t, r.Settle(t.Context(), b.After))
			}
			if !slices.Equal(got, pushed) {
				t.Error("other items came")
			}
			if after := usedMemory(t, l.redis); after > before-8<<20 {
				t.Errorf("the drain of 10 MB has taken the memory from %d to %d", before, after)
			}
			// Empty and full again: it must not spin.
			full(t, l.redis)
			calls := commands(t, l.redis)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := r.Wait(ctx); err == nil {
				t.Error("Wait found something in an empty list")
			}
			if n := commands(t, l.redis) - calls; n > 300 {
				t.Errorf("an empty list of a full server was looked at with %d commands a second", n)
			}
		})
	}
}

func usedMemory(t *testing.T, c redis.UniversalClient) int64 {
	return info(t, c, "memory", "used_memory")
}
func commands(t *testing.T, c redis.UniversalClient) int64 {
	return info(t, c, "stats", "total_commands_processed")
}

func info(t *testing.T, c redis.UniversalClient, section, field string) int64 {
	t.Helper()
	text, err := c.Info(t.Context(), section).Result()
	must(t, err)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			n, err := strconv.ParseInt(value, 10, 64)
			must(t, err)
			return n
		}
	}
	t.Fatalf("INFO %s does not say %s", section, field)
	return 0
}

func TestOutOfMemoryAStreamIsTrimmed(t *testing.T) {
	_, p := private(t, "--maxmemory", "16mb")
	s := &streamTest{t: t, place: p, redis: p.client(t), key: "s"}
	s.add(1, numbers(0, 1000)...)
	r, err := s.source(trims).Open(t.Context(), pipeline.OpenRequest{Shard: "s", KeepsPosition: true})
	must(t, err)
	defer func() { must(t, r.Close()) }()
	full(t, s.redis)
	_, after := take(t, r, 1000, large)
	must(t, r.Settle(t.Context(), after))
	if s.length() != 1 {
		t.Errorf("%d entries are left", s.length())
	}
}

func TestEvictionPolicy(t *testing.T) {
	r, p := private(t, "--maxmemory-policy", "allkeys-lru")
	_, err := p.list(t, quiet).Open(t.Context(), pipeline.OpenRequest{Shard: "list"})
	wantError(t, err, pipeline.Permanent, "maxmemory-policy is allkeys-lru", "allow_eviction: true")
	open(t, p.list(t, quiet, func(s *ListSettings) { s.AllowEviction = true }), "list", nil)
	must(t, p.client(t).ConfigSet(t.Context(), "maxmemory-policy", "volatile-lru").Err())
	open(t, p.list(t, quiet), "list", nil)
	must(t, r.Stop())
}

// An empty list of a server that takes no writes is looked at quietly; what
// comes when it takes them again is found.
func TestEmptyListOfAServerThatRefusesWrites(t *testing.T) {
	for name, c := range map[string]struct{ refuse, allow []any }{
		"READONLY":   {[]any{"REPLICAOF", "127.0.0.1", "1"}, []any{"REPLICAOF", "NO", "ONE"}},
		"NOREPLICAS": {[]any{"CONFIG", "SET", "min-replicas-to-write", "1"}, []any{"CONFIG", "SET", "min-replicas-to-write", "0"}},
		"NOPERM":     {[]any{"ACL", "SETUSER", "default", "-blmove"}, []any{"ACL", "SETUSER", "default", "+blmove"}},
		"MISCONF":    {nil, []any{"CONFIG", "SET", "stop-writes-on-bgsave-error", "no"}},
	} {
		t.Run(name, func(t *testing.T) {
			server, p := private(t)
			l := &listTest{t: t, place: p, by: "rpush", redis: p.client(t), key: "list"}
			log, said := recorded()
			r := open(t, p.list(t, log), l.key, nil)
			do := func(args ...any) { t.Helper(); must(t, l.redis.Do(t.Context(), args...).Err()) }
			if name == "MISCONF" {
				misconfigure(t, l.redis)
			} else {
				do(c.refuse...)
			}
			before := commands(t, l.redis)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := r.Wait(ctx); ctx.Err() == nil {
				t.Fatalf("Wait came back with %v", err)
			}
			if n := commands(t, l.redis) - before; n > 300 {
				t.Errorf("it was looked at with %d commands a second", n)
			}
			if n := strings.Count(said.String(), "\n"); n > 1 {
				t.Errorf("it said %d things: %.300s", n, said)
			}
			do(c.allow...)
			l.push("a")
			got, _ := take(t, r, 1, large)
			wantValues(t, got, []string{"a"})
			must(t, server.Stop())
		})
	}
}

// misconfigure lets a snapshot fail: Redis takes no writes then.
func misconfigure(t *testing.T, c redis.UniversalClient) {
	t.Helper()
	for _, args := range [][]any{{"CONFIG", "SET", "save", "3600 1"}, {"SET", "dirty", "1"}} {
		must(t, c.Do(t.Context(), args...).Err())
	}
	dir, err := c.ConfigGet(t.Context(), "dir").Result()
	must(t, err)
	name, err := c.ConfigGet(t.Context(), "dbfilename").Result()
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(dir["dir"], name["dbfilename"], "in the way"), 0o700))
	must(t, c.BgSave(t.Context()).Err())
	until(t, "the snapshot has failed", func() bool {
		err := c.Set(t.Context(), "dirty", "2", 0).Err()
		return err != nil && strings.HasPrefix(err.Error(), "MISCONF")
	})
}

// A server that hangs up on a large reply is asked for less, until it answers.
func TestRepliesLargerThanTheServerLets(t *testing.T) {
	_, p := private(t, "--client-output-buffer-limit", "normal", "1mb", "0", "0")
	want := numbers(0, 1500)
	for i := range want {
		want[i] += strings.Repeat(".", 10_000)
	}
	huge := strings.Repeat("x", 2<<20)
	readers := map[string]pipeline.Reader{}
	for by := range pushes {
		l := &listTest{t: t, place: p, by: by, redis: p.client(t), key: by}
		for part := range slices.Chunk(append(slices.Clone(want), huge), 100) {
			l.push(part...)
		}
		readers[by] = open(t, l.source(), l.key, nil)
	}
	s := &streamTest{t: t, place: p, redis: p.client(t), key: "stream"}
	s.add(1, append(slices.Clone(want), huge, "end")...) // XINFO STREAM gives the last entry too
	readers["stream"] = open(t, s.source(trims), s.key, nil)
	for name, r := range readers {
		t.Run(name, func(t *testing.T) {
			if got := exactly(t, r, len(want), large); !slices.Equal(got, want) {
				t.Errorf("got %d others", len(got))
			}
			var err error
			until(t, "the error says what it can be", func() bool { // of a value that never fits
				_, err = tryRead(t.Context(), r, large)
				return err != nil && strings.Contains(err.Error(), "client-output-buffer-limit")
			})
			wantError(t, err, pipeline.Unreachable, p.addr, "closed the connection", "at a time")
		})
	}
}
