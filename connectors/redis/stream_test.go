//go:build unix

package redis

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// streamTest is a stream of the test's own.
type streamTest struct {
	t     *testing.T
	place place
	redis redis.UniversalClient
	key   string
}

// eachStream runs a test on each place.
func eachStream(t *testing.T, test func(t *testing.T, s *streamTest)) {
	t.Helper()
	each(t, func(t *testing.T, p place) {
		test(t, &streamTest{t: t, place: p, redis: p.client(t), key: pipelinetest.Name(t)})
	})
}

// add adds an entry a value, with ids from-0 on.
func (s *streamTest) add(from int, values ...string) {
	s.t.Helper()
	_, err := s.redis.Pipelined(s.t.Context(), func(p redis.Pipeliner) error {
		for i, v := range values {
			p.XAdd(s.t.Context(), &redis.XAddArgs{Stream: s.key, ID: fmt.Sprintf("%d-0", from+i), Values: []string{"v", v}})
		}
		return nil
	})
	must(s.t, err)
}

func (s *streamTest) do(args ...any) {
	s.t.Helper()
	must(s.t, s.redis.Do(s.t.Context(), args...).Err())
}

func (s *streamTest) length() int64 {
	s.t.Helper()
	n, err := s.redis.XLen(s.t.Context(), s.key).Result()
	must(s.t, err)
	return n
}

// source gives a source of the stream.
func (s *streamTest) source(change ...func(*StreamSettings)) *StreamSource {
	s.t.Helper()
	return s.place.stream(s.t, quiet, change...)
}

func streamContinues(s *StreamSettings) { s.OnGap = "continue" }
func trims(s *StreamSettings)           { s.Trim = "after_commit" }

// caughtUp lets the reader find out that nothing more comes, as it does after
// five seconds in which nothing came.
func caughtUp(t *testing.T, r pipeline.Reader) error {
	t.Helper()
	return r.(*streamReader).lookForGap(t.Context(), true)
}

func TestStreamInOrder(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 300)...)
		r := open(t, s.source(), s.key, nil)
		got, middle := take(t, r, 120, pipeline.Limit{Records: 50, Bytes: 4 << 20})
		wantValues(t, got, numbers(0, 120))
		if middle.Offset.Major != 120 {
			t.Errorf("after 120 entries it is at %v", middle.Offset)
		}
		got, _ = take(t, r, 180, large)
		wantValues(t, got, numbers(120, 300))
		must(t, r.Rewind(middle))
		got, end := take(t, r, 180, large)
		wantValues(t, got, numbers(120, 300))
		must(t, r.Settle(t.Context(), end))
		if s.length() != 300 {
			t.Error("trim: none has trimmed")
		}
		must(t, r.Close())
		r = open(t, s.source(), s.key, &middle)
		got, _ = take(t, r, 180, large)
		wantValues(t, got, numbers(120, 300))
	})
}

func TestStreamWaitsAndWakes(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		r := open(t, s.source(), s.key, nil)
		woken := make(chan error, 1)
		go func() { woken <- r.Wait(t.Context()) }()
		began := time.Now()
		s.add(1, "a")
		must(t, <-woken)
		if took := time.Since(began); took > time.Second {
			t.Errorf("it woke after %v", took)
		}
		got, _ := take(t, r, 1, large)
		wantValues(t, got, []string{"a"})
		go func() { woken <- r.Wait(t.Context()) }()
		must(t, r.Close())
		must(t, r.Close())
		if <-woken == nil {
			t.Error("Wait of a closed reader returned no error")
		}
		wantClosed(t, r)
	})
}

func TestStreamValues(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.do("XADD", s.key, "1700000000123-5", "a", "1", "v", "the \xff value", "b", "", "v", "again")
		s.do("XADD", s.key, "1700000000124-0", "other", "x")
		s.do("XADD", s.key, "1700000000125-0", "v", "")
		b := read(t, open(t, s.source(), s.key, nil), large)
		first := b.Records[0]
		if string(first.Value.Raw()) != "the \xff value" || first.Time.UnixMilli() != 1_700_000_000_123 || first.Offset.Minor != 5 {
			t.Errorf("the entry became %+v", first)
		}
		if got := fmt.Sprintf("%s", first.Headers); got != "[{a 1} {b } {v again}]" {
			t.Errorf("its headers are %s", got)
		}
		if b.Records[1].Fate != pipeline.Failed || !strings.Contains(b.Records[1].Failure.Err.Error(), `no field "v"`) || len(b.Records[1].Headers) != 1 {
			t.Errorf("without the field it became %+v", b.Records[1])
		}
		if b.Records[2].Fate != pipeline.Deliver || len(b.Records[2].Value.Raw()) != 0 {
			t.Errorf("an empty value became %+v", b.Records[2])
		}

		b = read(t, open(t, s.source(func(s *StreamSettings) { s.ValueField = "" }), s.key, nil), large)
		if b.Records[0].Fate != pipeline.Failed || string(b.Records[0].Value.Raw()) != "a=1\nv=the \xff value\nb=\nv=again\n" {
			t.Errorf("what can be no object became %+v", b.Records[0])
		}
		if got := string(b.Records[1].Value.Raw()); got != `{"other":"x"}` {
			t.Errorf("the object is %s", got)
		}
	})
}

// Ids that are no times give the time of reading: Kafka's retention goes by it.
func TestStreamTimes(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		now := time.Now()
		soon := uint64(now.Add(50 * time.Minute).UnixMilli())
		ids := []uint64{1, firstTime - 1, firstTime, 1_700_000_000_123, soon, uint64(now.Add(2 * time.Hour).UnixMilli()), uint64(now.UnixMicro()), 1<<64 - 1}
		for _, id := range ids {
			s.do("XADD", s.key, fmt.Sprintf("%d-0", id), "v", "x")
		}
		b := read(t, open(t, s.source(), s.key, nil), large)
		for i, r := range b.Records {
			isTime := i >= 2 && i <= 4
			got := uint64(r.Time.UnixMilli())
			if isTime && got != ids[i] || !isTime && (r.Time.Before(now.Truncate(time.Millisecond)) || r.Time.After(time.Now())) {
				t.Errorf("the entry %d has the time %v", ids[i], r.Time)
			}
		}
		if len(b.Records) != len(ids) {
			t.Errorf("%d entries of %d came", len(b.Records), len(ids))
		}
	})
}

// An entry with more fields than are taken is one for on_error; what comes before
// and after it arrives.
func TestStreamEntryWithTooManyFields(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		fields := make([]any, 0, 2*maxFields+5)
		fields = append(fields, "XADD", s.key, "2-0")
		for range maxFields + 1 {
			fields = append(fields, "v", "x")
		}
		s.add(1, "before")
		s.do(fields...)
		s.add(3, "after")
		for _, field := range []string{"v", ""} {
			b := read(t, open(t, s.source(func(s *StreamSettings) { s.ValueField = field }), s.key, nil), large)
			if len(b.Records) != 3 || b.Records[0].Fate != pipeline.Deliver || b.Records[2].Fate != pipeline.Deliver || b.Records[1].Fate != pipeline.Failed {
				t.Fatalf("got %d records", len(b.Records))
			}
			wantError(t, b.Records[1].Failure.Err, pipeline.Permanent, "entry 2-0 has 65537 fields", "65536 is the most")
			if n := b.Arena.Size(); n > 1000 {
				t.Errorf("it takes %d bytes", n)
			}
		}
	})
}

func TestStreamTrims(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 10)...)
		r := open(t, s.source(trims), s.key, nil)
		_, after := take(t, r, 4, large)
		must(t, r.Settle(t.Context(), after))
		if first := s.redis.XRange(t.Context(), s.key, "-", "+").Val()[0].ID; first != "4-0" {
			t.Errorf("the stream begins at %s, and not with the anchor", first)
		}
		must(t, r.Close())
		r = open(t, s.source(trims), s.key, &after)
		got, end := take(t, r, 6, large)
		wantValues(t, got, numbers(4, 10))
		must(t, r.Settle(t.Context(), end))
		if s.length() != 1 {
			t.Errorf("%d entries are left", s.length())
		}
		must(t, caughtUp(t, r))
		// A stream made again with lower ids is another one: nobody has read it.
		s.do("DEL", s.key)
		s.add(2, "unread")
		must(t, r.Settle(t.Context(), end))
		if s.length() != 1 {
			t.Error("what nobody has read was trimmed")
		}
	})
}

func TestStreamStarts(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 10)...)
		start := func(at string, first bool) pipeline.Reader {
			t.Helper()
			r, err := s.source(func(s *StreamSettings) { s.Start = at }).Open(t.Context(), pipeline.OpenRequest{Shard: s.key, First: first})
			must(t, err)
			t.Cleanup(func() { must(t, r.Close()) })
			return r
		}
		newest, id := start("newest", true), start("6-0", true)
		got, _ := take(t, start("oldest", true), 10, large)
		wantValues(t, got, numbers(0, 10))
		for _, at := range []string{"newest", "6-0"} { // not at the very first start
			got, _ := take(t, start(at, false), 10, large)
			wantValues(t, got, numbers(0, 10))
		}
		got, _ = take(t, id, 4, large)
		wantValues(t, got, numbers(6, 10))
		must(t, caughtUp(t, id)) // what came before the id is not lost
		s.add(11, "new")
		for _, r := range []pipeline.Reader{newest, id} {
			got, after := take(t, r, 1, large)
			wantValues(t, got, []string{"new"})
			must(t, r.Rewind(after)) // no request is under way
			must(t, caughtUp(t, r))
		}
		if p := newest.Start(); p.Offset.Major != 10 {
			t.Errorf("newest starts at %v", p.Offset)
		}
		// From then on losses are counted there too.
		if s.place.real {
			s.add(12, "lost", "kept")
			s.do("XDEL", s.key, "12-0")
			take(t, id, 1, large)
			wantError(t, caughtUp(t, id), pipeline.Gap, "1 entries of stream")
		}
	})
}

func TestStreamKeepsItsPosition(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 10)...)
		req := pipeline.OpenRequest{Shard: s.key, First: true, KeepsPosition: true}
		source := s.source(trims)
		r, err := source.Open(t.Context(), req)
		must(t, err)
		_, after := take(t, r, 4, large)
		must(t, r.Settle(t.Context(), after))
		must(t, r.Close())
		r, err = source.Open(t.Context(), req)
		must(t, err)
		if r.Start() != after {
			t.Errorf("it starts at %+v, and %+v was settled", r.Start(), after)
		}
		got, _ := take(t, r, 6, large)
		wantValues(t, got, numbers(4, 10))
		must(t, r.Close())
		s.do("HSET", "penstock:{"+s.key+"}", "kept", "nonsense")
		_, err = source.Open(t.Context(), req)
		wantError(t, err, pipeline.Permanent, "cannot be read", "penstock:{"+s.key+"}")
	})
}

// changes are what can happen to a stream of ten entries of which four were read.
var changes = map[string]struct {
	change func(s *streamTest)
	counts bool   // only a server that counts entries-added can show it
	words  string // of the gap
	next   string // the first value that comes with on_gap: continue
}{
	"trimmed past the position": {func(s *streamTest) { s.do("XTRIM", s.key, "MAXLEN", "3") }, true, "3 entries of stream", "event 7"},
	"all trimmed":               {func(s *streamTest) { s.do("XTRIM", s.key, "MAXLEN", "0"); s.add(20, "new") }, true, "6 entries of stream", "new"},
	"one deleted, and the anchor": {func(s *streamTest) { s.do("XDEL", s.key, "6-0"); s.do("XTRIM", s.key, "MINID", "5-0") },
		true, "1 entries of stream", "event 4"},
	"one deleted behind the anchor": {func(s *streamTest) { s.do("XDEL", s.key, "6-0"); s.do("XTRIM", s.key, "MINID", "4-0") },
		true, "1 entries of stream", "event 4"},
	"gone":                 {func(s *streamTest) { s.do("DEL", s.key) }, false, "the stream is gone", ""},
	"made again":           {func(s *streamTest) { s.do("DEL", s.key); s.add(20, "new") }, true, "only 1 entries were ever added", "new"},
	"made again with more": {func(s *streamTest) { s.do("DEL", s.key); s.add(20, numbers(0, 12)...) }, true, "4 entries were read from the stream and 12 others", "event 0"},
	"ids backwards":        {func(s *streamTest) { s.do("DEL", s.key); s.add(1, "new", "newer") }, false, "last id is 2-0, before", "new"},
}

func TestStreamGapsAtTheStart(t *testing.T) {
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			eachStream(t, func(t *testing.T, s *streamTest) {
				if c.counts && !s.place.real {
					return // the real one is asked in the same test with the tag e2e
				}
				s.add(1, numbers(0, 10)...)
				r := open(t, s.source(), s.key, nil)
				_, after := take(t, r, 4, large)
				must(t, r.Close())
				c.change(s)
				_, err := s.source().Open(t.Context(), pipeline.OpenRequest{Shard: s.key, From: &after})
				wantError(t, err, pipeline.Gap, c.words, s.key, "on_gap: continue")
				r = open(t, s.source(streamContinues), s.key, &after)
				if c.next != "" {
					got, _ := take(t, r, 1, pipeline.Limit{Records: 1, Bytes: 1})
					wantValues(t, got, []string{c.next})
				}
			})
		})
	}
}

func TestStreamGapsWhileReading(t *testing.T) {
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			eachStream(t, func(t *testing.T, s *streamTest) {
				if c.counts && !s.place.real {
					return // as above
				}
				s.add(1, numbers(0, 10)...)
				for _, source := range []*StreamSource{s.source(), s.source(streamContinues)} {
					r := open(t, source, s.key, nil)
					_, after := take(t, r, 4, large)
					must(t, r.Rewind(after)) // whatever came ahead is thrown away
					defer func() {
						if source.settings.OnGap == "halt" {
							wantError(t, r.(*streamReader).lookForGap(t.Context(), false), pipeline.Gap, c.words)
							return
						}
						must(t, r.(*streamReader).lookForGap(t.Context(), false))
						if c.next != "" {
							got, _ := take(t, r, 1, pipeline.Limit{Records: 1, Bytes: 1})
							wantValues(t, got, []string{c.next})
						}
					}()
				}
				c.change(s)
			})
		})
	}
}

// TestMoreReadThanAdded: a stream that was made again while nobody looked, and has caught up
// with what it was when somebody did, is known by what was read: no stream has had fewer
// entries than that.
func TestMoreReadThanAdded(t *testing.T) {
	id := func(n uint64) pipeline.Offset { return pipeline.Offset{Major: n} }
	for name, c := range map[string]struct {
		added, read, seen uint64
		counted           bool
		says              string
	}{
		"made again":                     {1, 3, 1, true, "only 1 entries were ever added to the stream, and 3 were read from it"},
		"made again, opened empty":       {2, 3, 0, true, "only 2 entries were ever added to the stream, and 3 were read from it"},
		"fewer than were seen":           {1, 3, 3, true, "only 1 entries were ever added to the stream, and 3 had been"},
		"the same":                       {3, 3, 1, true, ""},
		"a server that does not tell":    {0, 3, 0, false, ""},
		"nothing is known of the reader": {1, 0, 0, true, ""},
	} {
		g := glance{exists: true, counted: c.counted, added: c.added, length: 1, first: id(4), last: id(4), newest: id(4)}
		p := pipeline.Position{Offset: id(4), Evidence: pipeline.Evidence{Added: c.read, EntriesAdded: c.seen}}
		if got := g.differs(p); got != c.says {
			t.Errorf("%s: got %q, want %q", name, got, c.says)
		}
	}
}

// TestStreamIsDeletedUnread: what was there and was never read is lost with the stream;
// one that was empty begins anew without a word.
func TestStreamIsDeletedUnread(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		if !s.place.real {
			return // as above
		}
		for name, c := range map[string]struct {
			held, again int
			words       string // of the gap; empty: there is none
		}{
			"and stays away":               {5, 0, "the stream is gone"},
			"and has fewer entries":        {5, 3, "only 3 entries were ever added"},
			"it was empty":                 {0, 3, ""},
			"it was empty, and stays away": {0, 0, ""},
		} {
			t.Run(name, func(t *testing.T) {
				s.do("DEL", s.key)
				s.add(1, numbers(0, 5)...)
				s.do("XTRIM", s.key, "MAXLEN", c.held)
				r := open(t, s.source(), s.key, nil)
				start := r.Start()
				s.do("DEL", s.key)
				s.add(10, numbers(10, 10+c.again)...)
				if c.words != "" {
					_, err := s.source().Open(t.Context(), pipeline.OpenRequest{Shard: s.key, From: &start})
					wantError(t, err, pipeline.Gap, c.words)
					wantError(t, caughtUp(t, r), pipeline.Gap, c.words)
					return
				}
				for _, r := range []pipeline.Reader{r, open(t, s.source(), s.key, &start)} {
					must(t, caughtUp(t, r))
					b, err := tryRead(within(t, time.Second), r, large)
					for c.again > 0 && err == nil && len(b.Records) == 0 { // where it starts, first
						b, err = tryRead(within(t, time.Second), r, large)
					}
					if c.again > 0 {
						must(t, err)
						wantValues(t, values(b), numbers(10, 10+c.again))
					}
					must(t, caughtUp(t, r))
				}
			})
		}
	})
}

// What is deleted behind entries that are still there shows when all is read.
func TestStreamCountsWhatIsDeletedAhead(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		if !s.place.real {
			return // as above
		}
		s.add(1, numbers(0, 10)...)
		r := open(t, s.source(), s.key, nil)
		_, after := take(t, r, 4, large)
		must(t, r.Rewind(after))
		s.do("XDEL", s.key, "6-0", "9-0")
		must(t, r.(*streamReader).lookForGap(t.Context(), false)) // the anchor is there
		take(t, r, 4, large)
		wantError(t, caughtUp(t, r), pipeline.Gap, "2 entries of stream")
	})
}

// An entry that was deleted may have been the newest when a drain began.
func TestStreamDrainsToATailThatIsGone(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 10)...)
		r := open(t, s.source(streamContinues), s.key, nil)
		tail, err := r.Tail(t.Context())
		must(t, err)
		if tail.Offset.Major != 10 {
			t.Errorf("the tail is %v", tail.Offset)
		}
		s.do("XDEL", s.key, "9-0", "10-0")
		_, after := take(t, r, 8, large)
		ctx, cancel := context.WithTimeout(t.Context(), 2*blockFor)
		defer cancel()
		for after.Offset.Compare(tail.Offset) < 0 {
			b, err := tryRead(ctx, r, large)
			must(t, err)
			after = b.After
		}
	})
}

func TestStreamLag(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 10)...)
		r := open(t, s.source(), s.key, nil)
		check := func(want int64) {
			t.Helper()
			if !s.place.real {
				want = -1 // miniredis does not count
			}
			if n, err := r.Lag(t.Context()); n != want || err != nil {
				t.Errorf("the lag is %d, %v; want %d", n, err, want)
			}
		}
		check(10)
		_, after := take(t, r, 4, large)
		check(6)
		take(t, r, 6, large)
		check(0)
		must(t, r.Rewind(after))
		check(6)
	})
}

func TestStreamBatchesAreBounded(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		const size = 900 << 10
		var want []string
		for i := range 12 {
			want = append(want, strings.Repeat(string(rune('a'+i)), size))
		}
		s.add(1, want...)
		r := open(t, s.source(), s.key, nil)
		var got []string
		for len(got) < len(want) {
			b := read(t, r, large)
			if b.Bytes >= large.Bytes+2*size {
				t.Errorf("a batch holds %d bytes", b.Bytes)
			}
			got = append(got, values(b)...)
		}
		if strings.Join(got, "") != strings.Join(want, "") {
			t.Error("other entries came")
		}
	})
}

func TestShards(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		for _, key := range []string{"b", "a", "c"} {
			s.do("XADD", s.key+":"+key, "*", "v", "1")
		}
		s.do("RPUSH", s.key+":list", "1")
		pattern := func(settings *StreamSettings) { settings.Keys = []string{s.key + ":*", s.key + ":a", s.key + ":later"} }
		got, err := s.source(pattern).Shards(t.Context())
		must(t, err)
		want := []string{s.key + ":a", s.key + ":b", s.key + ":c", s.key + ":later"}
		wantValues(t, got, want)
		got, err = s.place.list(t, quiet, func(settings *ListSettings) { settings.Keys = []string{s.key + ":*"} }).Shards(t.Context())
		must(t, err)
		wantValues(t, got, []string{s.key + ":list"})
		_, err = s.source().Open(t.Context(), pipeline.OpenRequest{Shard: s.key + ":list"})
		wantError(t, err, pipeline.Permanent, "holds a list, not a stream")
	})
}
