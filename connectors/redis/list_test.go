//go:build unix

package redis

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// pushes are the two ways of pushing, with the setting that fits.
var pushes = map[string]func(context.Context, redis.UniversalClient, string, ...string) error{
	"rpush": func(ctx context.Context, c redis.UniversalClient, key string, items ...string) error {
		return c.RPush(ctx, key, toAny(items)...).Err()
	},
	"lpush": func(ctx context.Context, c redis.UniversalClient, key string, items ...string) error {
		return c.LPush(ctx, key, toAny(items)...).Err()
	},
}

func toAny(items []string) []any {
	out := make([]any, len(items))
	for i, item := range items {
		out[i] = item
	}
	return out
}

// eachPush runs a test on each place, with rpush and with lpush.
func eachPush(t *testing.T, test func(t *testing.T, l *listTest)) {
	t.Helper()
	each(t, func(t *testing.T, p place) {
		for by := range pushes {
			t.Run(by, func(t *testing.T) {
				test(t, &listTest{t: t, place: p, by: by, redis: p.client(t), key: pipelinetest.Name(t)})
			})
		}
	})
}

// listTest is a list of the test's own.
type listTest struct {
	t     *testing.T
	place place
	by    string
	redis redis.UniversalClient
	key   string
}

func (l *listTest) push(items ...string) {
	l.t.Helper()
	must(l.t, pushes[l.by](l.t.Context(), l.redis, l.key, items...))
}

func (l *listTest) source(change ...func(*ListSettings)) *ListSource {
	l.t.Helper()
	return l.place.list(l.t, quiet, append([]func(*ListSettings){func(s *ListSettings) { s.PushedBy = l.by }}, change...)...)
}

// pop takes items from the end that is read, as another client would.
func (l *listTest) pop(n int) {
	l.t.Helper()
	pop := l.redis.LPopCount
	if l.by == "lpush" {
		pop = l.redis.RPopCount
	}
	must(l.t, pop(l.t.Context(), l.key, n).Err())
}

func (l *listTest) companion() map[string]string {
	l.t.Helper()
	name, err := companionOf(l.key)
	must(l.t, err)
	fields, err := l.redis.HGetAll(l.t.Context(), name).Result()
	must(l.t, err)
	return fields
}

// setCompanion makes the companion what a test wants; nil: there is none.
func (l *listTest) setCompanion(fields map[string]string) {
	l.t.Helper()
	name, err := companionOf(l.key)
	must(l.t, err)
	must(l.t, l.redis.Del(l.t.Context(), name).Err())
	if fields != nil {
		must(l.t, l.redis.HSet(l.t.Context(), name, fields).Err())
	}
}

func (l *listTest) length() int {
	l.t.Helper()
	n, err := l.redis.LLen(l.t.Context(), l.key).Result()
	must(l.t, err)
	return int(n)
}

func onGapContinues(s *ListSettings) { s.OnGap = "continue" }

func TestListInOrder(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 500)...)
		r := open(t, l.source(), l.key, nil)
		if start := r.Start(); start.Incarnation == "" || start.Offset.Minor != 0 {
			t.Errorf("it starts at %+v", start)
		}
		got, middle := take(t, r, 230, pipeline.Limit{Records: 50, Bytes: 4 << 20})
		wantValues(t, got, numbers(0, 230))
		if l.length() != 500 {
			t.Error("reading has removed something")
		}
		must(t, r.Settle(t.Context(), middle))
		if n := l.length(); n != 270 {
			t.Errorf("%d items are left of 270", n)
		}
		got, _ = take(t, r, 270, large)
		wantValues(t, got, numbers(230, 500))
		nothing(t, r)
		l.push(numbers(500, 510)...)
		got, end := take(t, r, 10, large)
		wantValues(t, got, numbers(500, 510))
		must(t, r.Settle(t.Context(), end))
		must(t, r.Settle(t.Context(), end)) // again
		if c := l.companion(); c["position"] != "510" || c["incarnation"] != end.Incarnation || c["version"] != "1" || l.length() != 0 {
			t.Errorf("the companion says %v, and %d items are left", c, l.length())
		}
		l.push("after the key had vanished")
		got, _ = take(t, r, 1, large)
		wantValues(t, got, []string{"after the key had vanished"})
	})
}

func TestListResumes(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 100)...)
		s := l.source()
		r := open(t, s, l.key, nil)
		_, after := take(t, r, 40, large)
		must(t, r.Close())
		// Committed and not trimmed: the next reader trims, and sends nothing again.
		r = open(t, s, l.key, &after)
		if r.Start() != after || l.length() != 60 {
			t.Errorf("it starts at %+v with %d items left", r.Start(), l.length())
		}
		got, _ := take(t, r, 60, large)
		wantValues(t, got, numbers(40, 100))
		must(t, r.Close())
		// Read and not committed: it comes again.
		r = open(t, s, l.key, &after)
		got, _ = take(t, r, 60, large)
		wantValues(t, got, numbers(40, 100))
	})
}

func TestListRewindsAnywhere(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 60)...)
		r := open(t, l.source(), l.key, nil)
		ends := map[int]pipeline.Position{0: r.Start()}
		for at := 0; at < 60; {
			b := read(t, r, pipeline.Limit{Records: 7, Bytes: 4 << 20})
			at += b.Read
			ends[at] = b.After
		}
		for at, p := range ends {
			must(t, r.Rewind(p))
			got, _ := take(t, r, 60-at, large)
			wantValues(t, got, numbers(at, 60))
		}
		second := slices.Sorted(maps.Keys(ends))[1]
		must(t, r.Rewind(ends[second]))
		got, after := take(t, r, 2, large) // it ends within a batch as it was
		wantValues(t, got, numbers(second, second+2))
		must(t, r.Settle(t.Context(), after))
		got, after = take(t, r, 58-second, large)
		wantValues(t, got, numbers(second+2, 60))
		must(t, r.Settle(t.Context(), after))
		if l.length() != 0 {
			t.Errorf("%d items are left", l.length())
		}
	})
}

func TestListOpens(t *testing.T) {
	const ours, other = "OURS", "OTHER"
	hashed := func(n uint64, item string) *pipeline.Position {
		return &pipeline.Position{Incarnation: ours, Offset: pipeline.Offset{Minor: n}, Evidence: pipeline.Evidence{Hash: hash([]byte(item)), Added: n}}
	}
	companion := func(incarnation string, n int) map[string]string {
		return map[string]string{"version": "1", "incarnation": incarnation, "position": strconv.Itoa(n)}
	}
	for name, c := range map[string]struct {
		kafka *pipeline.Position
		redis map[string]string
		gap   string // what a gap's error says; empty: it opens
		left  int    // of the ten items
	}{
		"neither knows it":                           {left: 10},
		"Redis at zero":                              {redis: companion(other, 0), left: 10},
		"another pipeline has read":                  {redis: companion(other, 5), gap: "read by another pipeline, or by this one under another name, or _penstock_positions was deleted, or the Kafka is a new one"},
		"both the same":                              {kafka: hashed(20, "x"), redis: companion(ours, 20), left: 10},
		"no companion":                               {kafka: hashed(20, "x"), gap: "} any more (FLUSHALL, DEL, or a failover)"},
		"another incarnation":                        {kafka: hashed(20, "x"), redis: companion(other, 20), gap: "another incarnation, OTHER"},
		"committed, not trimmed":                     {kafka: hashed(24, "event 3"), redis: companion(ours, 20), left: 6},
		"committed to the end, not trimmed":          {kafka: hashed(30, "event 9"), redis: companion(ours, 20), left: 0},
		"Kafka ahead, and another item there":        {kafka: hashed(24, "event 4"), redis: companion(ours, 20), gap: "the last of the committed items has SHA-1"},
		"Kafka ahead of all that the list holds":     {kafka: hashed(31, "event 10"), redis: companion(ours, 20), gap: "holds 10 items where 11 are committed"},
		"another client trimmed by Penstock's rules": {kafka: hashed(20, "x"), redis: companion(ours, 25), gap: "5 items were removed beyond"},
	} {
		t.Run(name, func(t *testing.T) {
			eachPush(t, func(t *testing.T, l *listTest) {
				l.push(numbers(0, 10)...)
				l.setCompanion(c.redis)
				if c.gap == "" {
					r := open(t, l.source(), l.key, c.kafka)
					got, _ := take(t, r, c.left, large)
					wantValues(t, got, numbers(10-c.left, 10))
					if l.length() != c.left {
						t.Errorf("%d items are left of %d", l.length(), c.left)
					}
					return
				}
				_, err := l.source().Open(t.Context(), pipeline.OpenRequest{Shard: l.key, From: c.kafka})
				wantError(t, err, pipeline.Gap, "list "+l.key, c.gap)
				if l.length() != 10 {
					t.Error("it has removed something")
				}
				if c.kafka == nil { // no setting makes a stranger's list one's own
					_, err := l.source(onGapContinues).Open(t.Context(), pipeline.OpenRequest{Shard: l.key})
					wantError(t, err, pipeline.Gap, c.gap)
					return
				}
				r := open(t, l.source(onGapContinues), l.key, c.kafka)
				if start := r.Start(); start.Incarnation == ours || start.Incarnation == other || start.Offset.Compare(c.kafka.Offset) < 0 {
					t.Errorf("it starts at %+v, no new incarnation", start)
				}
				got, after := take(t, r, 10, large)
				wantValues(t, got, numbers(0, 10))
				must(t, r.Settle(t.Context(), after))
				if l.length() != 0 {
					t.Errorf("%d items are left", l.length())
				}
			})
		})
	}
}

func TestListRefusesACompanionItCannotRead(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		for _, fields := range []map[string]string{
			{"version": "2", "incarnation": "X", "position": "0"},
			{"version": "1", "incarnation": "X", "position": "many"},
			{"version": "1", "position": "0"},
		} {
			l.setCompanion(fields)
			_, err := l.source().Open(t.Context(), pipeline.OpenRequest{Shard: l.key})
			wantError(t, err, pipeline.Permanent, "companion", "newer Penstock")
		}
	})
}

// The answer to a trim can be lost although the trim was done: the companion
// then says more than the reader knows.
func TestListAnswerToATrimIsLost(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 100)...)
		s := l.source()
		r := open(t, s, l.key, nil)
		_, first := take(t, r, 30, large)
		_, second := take(t, r, 30, large)
		// Another connection does what the first one's script did.
		ghost := open(t, s, l.key, &first)
		must(t, ghost.Close())
		if l.length() != 70 {
			t.Fatalf("%d items are left", l.length())
		}
		got, third := take(t, r, 40, large) // reading goes on
		wantValues(t, got, numbers(60, 100))
		must(t, r.Settle(t.Context(), first)) // and so does the trim that is tried again
		ghost = open(t, s, l.key, &second)
		must(t, ghost.Close())
		must(t, r.Settle(t.Context(), third)) // or a later one
		if l.length() != 0 || l.companion()["position"] != "100" {
			t.Errorf("%d items are left, companion %v", l.length(), l.companion())
		}
	})
}

// A key beside which no companion can lie does not stop what else a pattern finds.
func TestListsThatCannotBeReadAreLeftOut(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		c, prefix := p.client(t), pipelinetest.Name(t)
		for _, end := range []string{":a", ":a}b", ":c"} {
			must(t, c.RPush(t.Context(), prefix+end, "1").Err())
		}
		log, said := recorded()
		s := p.list(t, log, func(s *ListSettings) { s.Keys = []string{prefix + ":*"} })
		for range 3 {
			got, err := s.Shards(t.Context())
			must(t, err)
			wantValues(t, got, []string{prefix + ":a", prefix + ":c"})
		}
		if n := strings.Count(said.String(), "left out"); n != 1 || !strings.Contains(said.String(), ":a}b") {
			t.Errorf("it said %d times that a key is left out: %s", n, said)
		}
	})
}

func TestListBatchesAreBounded(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		const size = 900 << 10
		l.push(numbers(0, 200)...)
		var want []string
		for i := range 20 {
			item := strings.Repeat(string(rune('a'+i)), size)
			want = append(want, item)
			l.push(item)
		}
		limit := pipeline.Limit{Records: 1000, Bytes: 4 << 20}
		r := open(t, l.source(), l.key, nil)
		got, _ := take(t, r, 200, pipeline.Limit{Records: 100, Bytes: 4 << 20})
		wantValues(t, got, numbers(0, 200))
		var end pipeline.Position
		for got = nil; len(got) < 20; {
			b := read(t, r, limit)
			if b.Bytes >= 2*limit.Bytes+size {
				t.Errorf("a batch holds %d bytes", b.Bytes)
			}
			got, end = append(got, values(b)...), b.After
		}
		if !slices.Equal(got, want) {
			t.Error("other items came")
		}
		must(t, r.Settle(t.Context(), end))
	})
}

func TestListWaitWakesAtOnceAndTakesNothing(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		r := open(t, l.source(), l.key, nil)
		woken := make(chan error, 1)
		go func() { woken <- r.Wait(t.Context()) }()
		l.awaitBlocked()
		pushed := time.Now()
		l.push("a", "b")
		must(t, <-woken)
		if late := time.Since(pushed); late > time.Second { // without BLMOVE, after 5 s
			t.Errorf("it woke after %v", late)
		}
		got, _ := take(t, r, 2, large)
		wantValues(t, got, []string{"a", "b"})
		if l.length() != 2 {
			t.Errorf("%d items are left", l.length())
		}
	})
}

func TestListCloseEndsAWait(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		r := open(t, l.source(), l.key, nil)
		woken := make(chan error, 1)
		go func() { woken <- r.Wait(t.Context()) }()
		l.awaitBlocked()
		must(t, r.Close())
		must(t, r.Close())
		wantError(t, <-woken, pipeline.Unreachable)
		wantClosed(t, r)
	})
}

func TestListCancelledWait(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		r := open(t, l.source(), l.key, nil)
		ctx, cancel := context.WithCancel(t.Context())
		woken := make(chan error, 1)
		go func() { woken <- r.Wait(ctx) }()
		l.awaitBlocked()
		cancel()
		if err := <-woken; err == nil {
			t.Error("a cancelled Wait returned no error")
		}
		l.push("a")
		got, _ := take(t, r, 1, large) // the reader goes on
		wantValues(t, got, []string{"a"})
	})
}

// wantClosed checks that everything of a closed reader returns an error.
func wantClosed(t *testing.T, r pipeline.Reader) {
	t.Helper()
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Wait":   func() error { return r.Wait(ctx) },
		"Read":   func() error { return r.Read(ctx, &pipeline.Batch{}, large) },
		"Rewind": func() error { return r.Rewind(r.Start()) },
		"Settle": func() error { return r.Settle(ctx, r.Start()) },
		"Tail":   func() error { _, err := r.Tail(ctx); return err },
		"Lag":    func() error { _, err := r.Lag(ctx); return err },
	} {
		if call() == nil {
			t.Errorf("%s of a closed reader returned no error", name)
		}
	}
}

func TestListTailAndLag(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 10)...)
		r := open(t, l.source(), l.key, nil)
		check := func(tail uint64, lag int64) {
			t.Helper()
			p, err := r.Tail(t.Context())
			must(t, err)
			n, err := r.Lag(t.Context())
			must(t, err)
			if p.Offset.Minor != tail || n != lag {
				t.Errorf("tail %d, lag %d; want %d, %d", p.Offset.Minor, n, tail, lag)
			}
		}
		check(10, 10)
		_, after := take(t, r, 4, pipeline.Limit{Records: 4, Bytes: 4 << 20})
		check(10, 6)
		must(t, r.Settle(t.Context(), after))
		check(10, 6)
		take(t, r, 6, large)
		check(10, 0)
		must(t, r.Rewind(after))
		check(10, 6)
	})
}

func TestListKeepsItsPosition(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 10)...)
		s := l.source()
		req := pipeline.OpenRequest{Shard: l.key, KeepsPosition: true}
		r, err := s.Open(t.Context(), req)
		must(t, err)
		_, after := take(t, r, 4, large)
		must(t, r.Settle(t.Context(), after))
		must(t, r.Close())
		r, err = s.Open(t.Context(), req)
		must(t, err)
		got, _ := take(t, r, 6, large)
		wantValues(t, got, numbers(4, 10))
		must(t, r.Close())
	})
}

func TestListOfAnotherType(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		must(t, l.redis.Set(t.Context(), l.key, "text", 0).Err())
		_, err := l.source().Open(t.Context(), pipeline.OpenRequest{Shard: l.key})
		wantError(t, err, pipeline.Permanent, "holds a string, not a list")
		must(t, l.redis.Del(t.Context(), l.key).Err())
		r := open(t, l.source(), l.key, nil)
		must(t, l.redis.Set(t.Context(), l.key, "text", 0).Err())
		_, err = tryRead(t.Context(), r, large)
		wantError(t, err, pipeline.Permanent, "WRONGTYPE", "check keys")
	})
}
