//go:build unix

package redis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// group gives a source that reads the stream as a consumer of the group "g".
func (s *streamTest) group(instance string, change ...func(*StreamSettings)) *GroupSource {
	s.t.Helper()
	settings := StreamSettings{
		Keys: []string{s.key}, Start: "oldest", Trim: "none", ValueField: "v", OnGap: "halt", Trigger: Trigger{Mode: "continuous"},
		Group: &Group{Name: "g", Consumers: 1, ClaimIdle: time.Minute},
	}
	settings.URL = s.place.url()
	for _, f := range change {
		f(&settings)
	}
	source, err := NewGroupSource(settings, instance, quiet)
	must(s.t, err)
	s.t.Cleanup(func() { must(s.t, source.Close()) })
	return source
}

// join opens the one shard of a consumer.
func (s *streamTest) join(source *GroupSource) pipeline.Reader {
	s.t.Helper()
	names, err := source.Shards(s.t.Context())
	must(s.t, err)
	return open(s.t, source, names[0], nil)
}

func named(name string) func(*StreamSettings) {
	return func(s *StreamSettings) { s.Group.Consumer = name }
}

// pending counts what the group has handed out, by how often.
func (s *streamTest) pending() map[int64]int {
	s.t.Helper()
	entries, err := s.redis.XPendingExt(s.t.Context(), &redis.XPendingExtArgs{Stream: s.key, Group: "g", Start: "-", End: "+", Count: 100_000}).Result()
	must(s.t, err)
	times := map[int64]int{}
	for _, e := range entries {
		times[e.RetryCount]++
	}
	return times
}

func (s *streamTest) wantPending(want string) {
	s.t.Helper()
	if got := fmt.Sprint(s.pending()); got != "map["+want+"]" {
		s.t.Errorf("pending, by times handed out: %s, want %s", got, want)
	}
}

func TestGroupAcknowledgesWhatIsSettled(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 300)...)
		r := s.join(s.group("one"))
		got, middle := take(t, r, 120, pipeline.Limit{Records: 40, Bytes: 4 << 20})
		wantValues(t, got, numbers(0, 120))
		must(t, r.Settle(t.Context(), middle))
		got, _ = take(t, r, 100, large)
		wantValues(t, got, numbers(120, 220))
		must(t, r.Rewind(middle))
		got, end := take(t, r, 180, large)
		wantValues(t, got, numbers(120, 300))
		must(t, r.Settle(t.Context(), end))
		s.wantPending("")
		nothing(t, r)
	})
}

func TestGroupReadsItsPendingFirst(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 200)...)
		r := s.join(s.group("", named("worker")))
		_, _ = take(t, r, 100, large)
		must(t, r.Close())
		r = s.join(s.group("", named("worker")))
		got, end := take(t, r, 200, large)
		wantValues(t, got, numbers(0, 200))
		must(t, r.Settle(t.Context(), end))
		s.wantPending("")
	})
}

// TestGroupCountsStartsOnly: what this process reads again is not handed out once
// more; what a new process reads is.
func TestGroupCountsStartsOnly(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 10)...)
		source := s.group("", named("worker"))
		r := s.join(source)
		for range 5 {
			got, _ := take(t, r, 10, large)
			wantValues(t, got, numbers(0, 10))
			must(t, r.Rewind(r.Start()))
		}
		must(t, r.Close())
		r = s.join(source)
		take(t, r, 10, large)
		must(t, r.Close())
		s.wantPending("1:10")
		r = s.join(s.group("", named("worker"), func(s *StreamSettings) { s.Group.MaxDeliveries = 1 }))
		b := read(t, r, large)
		s.wantPending("2:10")
		if f := b.Records[0].Failure; len(b.Records) != 10 || b.Records[0].Fate != pipeline.Failed || pipeline.ClassOf(f.Err) != pipeline.Permanent {
			t.Errorf("handed out twice: %+v", b.Records[0])
		}
	})
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func byNumber(a, b string) int {
	var x, y int
	_, _ = fmt.Sscanf(a, "event %d", &x)
	_, _ = fmt.Sscanf(b, "event %d", &y)
	return x - y
}

// TestGroupIsShared: several consumers of several processes are handed each entry
// once.
func TestGroupIsShared(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		const n = 3000
		var mu sync.Mutex
		var got []string
		var readers sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for _, process := range []string{"a", "b"} {
			source := s.group(process, func(s *StreamSettings) { s.Group.Consumers = 2 })
			names, err := source.Shards(ctx)
			must(t, err)
			if want := []string{s.key + "#1", s.key + "#2"}; !slices.Equal(names, want) {
				t.Fatalf("the shards are %v", names)
			}
			for _, name := range names {
				r := open(t, source, name, nil)
				readers.Go(func() {
					for {
						b, err := tryRead(ctx, r, pipeline.Limit{Records: 50, Bytes: 1 << 20})
						if ctx.Err() != nil {
							return
						}
						if err == nil {
							err = r.Settle(ctx, b.After)
						}
						if err != nil {
							t.Error(err)
							return
						}
						mu.Lock()
						if got = append(got, values(b)...); len(got) >= n {
							cancel()
						}
						mu.Unlock()
					}
				})
			}
		}
		for from := 0; from < n; from += 100 {
			s.add(1+from, numbers(from, from+100)...)
		}
		readers.Wait()
		slices.SortFunc(got, byNumber)
		wantValues(t, got, numbers(0, n))
	})
}

// TestGroupIsMadeAgain: at what was acknowledged, so that nothing is lost.
func TestGroupIsMadeAgain(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 100)...)
		r := s.join(s.group("one"))
		_, after := take(t, r, 50, pipeline.Limit{Records: 50, Bytes: 4 << 20})
		must(t, r.Settle(t.Context(), after))
		s.do("XGROUP", "DESTROY", s.key, "g")
		s.add(1000, "last")
		var got []string
		until(t, "the last entry comes", func() bool {
			b, err := tryRead(within(t, 10*time.Second), r, large)
			if err == nil {
				got = append(got, values(b)...)
				must(t, r.Settle(t.Context(), b.After))
			}
			return slices.Contains(got, "last")
		})
		for _, want := range numbers(50, 100) {
			if !slices.Contains(got, want) {
				t.Fatalf("%s is lost; %d came", want, len(got))
			}
		}
	})
}

func TestGroupStartsWhereItWasAcknowledged(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 100)...)
		r := s.join(s.group("one"))
		_, after := take(t, r, 100, large)
		must(t, r.Settle(t.Context(), after))
		must(t, r.Close())
		s.do("XGROUP", "DESTROY", s.key, "g")
		s.add(200, "news")
		got, _ := take(t, s.join(s.group("two")), 1, large)
		wantValues(t, got, []string{"news"})
		s.do("DEL", s.key)
		s.add(1, "another")
		source := s.group("three")
		_, err := source.Shards(t.Context())
		must(t, err)
		_, err = source.Open(t.Context(), pipeline.OpenRequest{Shard: s.key})
		wantError(t, err, pipeline.Gap, "does not continue what group g has acknowledged", "on_gap: continue")
		got, _ = take(t, s.join(s.group("four", streamContinues)), 1, large)
		wantValues(t, got, []string{"another"})
	})
}

// TestGroupEntriesRemoved: a pending entry that is gone is told, and never an empty
// record.
func TestGroupEntriesRemoved(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		hole := func() {
			s.do("DEL", s.key)
			s.add(1, numbers(0, 10)...)
			r := s.join(s.group("", named("worker")))
			take(t, r, 10, large)
			must(t, r.Close())
			s.do("XDEL", s.key, "1-0", "4-0", "10-0")
		}
		hole()
		r := s.join(s.group("", named("worker")))
		var err error
		for err == nil {
			_, err = tryRead(t.Context(), r, large)
		}
		wantError(t, err, pipeline.Gap, "3 entries", "1-0, 4-0, 10-0")
		must(t, r.Close())
		hole()
		log, out := recorded()
		source := s.group("", named("worker"), streamContinues)
		source.client.log = log
		r = s.join(source)
		b, err := tryRead(t.Context(), r, large)
		must(t, err)
		wantValues(t, values(b), slices.Concat(numbers(1, 3), numbers(4, 9)))
		must(t, r.Settle(t.Context(), b.After))
		nothing(t, r)
		s.wantPending("")
		if !strings.Contains(out.String(), "entries=3") {
			t.Errorf("logged %s", out)
		}
	})
}

func TestGroupDrains(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 10)...)
		r := s.join(s.group("one"))
		_, err := r.Tail(t.Context())
		must(t, err)
		got, _ := take(t, r, 10, large)
		wantValues(t, got, numbers(0, 10))
		for err == nil {
			_, err = tryRead(t.Context(), r, large)
		}
		if err != pipeline.ErrEnd { //nolint:errorlint // it comes as it is
			t.Error(err)
		}
	})
}
