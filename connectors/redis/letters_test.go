//go:build unix

package redis

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

func letter(value string) pipeline.DeadLetter {
	return pipeline.DeadLetter{
		Pipeline: "shop", Stage: "transforms[0].filter", Transform: "filter", Error: "no field x", Shard: "events", Offset: pipeline.Offset{Major: 1, Minor: 2},
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Attempts: 3, Key: []byte("k"), Value: []byte(value), Stamp: time.UnixMilli(1_700_000_000_000).UTC(),
		Headers: []pipeline.Header{{Key: "b", Value: []byte("1")}, {Key: "a", Value: []byte{0xff}}, {Key: "b", Value: []byte("")}},
	}
}

// letters gives a place for dead letters in the stream.
func (s *streamTest) letters(name string) *DeadLetters {
	s.t.Helper()
	d, err := NewDeadLetters(Connection{URL: s.place.url()}, s.key, name, quiet)
	must(s.t, err)
	s.t.Cleanup(func() { must(s.t, d.Close()) })
	return d
}

func shownOf(t *testing.T, d *DeadLetters) []pipeline.DeadLetter {
	t.Helper()
	var all []pipeline.DeadLetter
	must(t, d.Each(t.Context(), func(l pipeline.DeadLetter) bool { all = append(all, l); return true }))
	return all
}

func TestLettersInAStream(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		d := s.letters("shop")
		if got := shownOf(t, d); got != nil {
			t.Errorf("of no stream: %v", got)
		}
		want := []pipeline.DeadLetter{letter("\x00\xff\n"), letter(""), letter("")}
		want[2].Value, want[2].Key, want[2].Headers, want[2].Attempts, want[2].Transform, want[2].Stamp = nil, nil, nil, 0, "", time.Time{}
		must(t, d.Keep(t.Context(), want))
		s.do("XADD", s.key, "*", "a", "stranger's")
		must(t, s.letters("another").Keep(t.Context(), nil))
		got := shownOf(t, d)
		for i := range got {
			if got[i].ID == "" {
				t.Error("a letter has no ID")
			}
			want[i].ID = got[i].ID
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if others := shownOf(t, s.letters("another")); others != nil {
			t.Errorf("another pipeline has %v", others)
		}
		must(t, d.GivenBack(t.Context(), []string{got[0].ID, got[2].ID}))
		must(t, d.GivenBack(t.Context(), []string{got[0].ID})) // twice is once
		if left := shownOf(t, d); len(left) != 1 || left[0].ID != got[1].ID || s.length() != 2 {
			t.Errorf("left %v of %d entries", left, s.length())
		}
	})
}

// TestManyLettersInAStream go over the bounds of a round trip, in order; Each ends where
// the stream ended when it began.
func TestManyLettersInAStream(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		d := s.letters("shop")
		var many []pipeline.DeadLetter
		for i := range 2*lettersAtOnce + 1 {
			many = append(many, letter(fmt.Sprint(i)))
		}
		many[7].Value = make([]byte, letterBytesAtOnce+1)
		must(t, d.Keep(t.Context(), many))
		n := 0
		must(t, d.Each(t.Context(), func(l pipeline.DeadLetter) bool {
			if n != 7 && string(l.Value) != fmt.Sprint(n) {
				t.Fatalf("letter %d is %q", n, l.Value)
			}
			if n%100 == 0 {
				must(t, d.Keep(t.Context(), many[:1]))
				must(t, d.GivenBack(t.Context(), []string{l.ID}))
			}
			n++
			return true
		}))
		if n != len(many) {
			t.Errorf("%d letters, want %d", n, len(many))
		}
	})
}

func TestLettersWhereSomethingElseIs(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.do("SET", s.key, "text")
		d := s.letters("shop")
		for _, err := range []error{d.Keep(t.Context(), []pipeline.DeadLetter{letter("1")}), d.Each(t.Context(), func(pipeline.DeadLetter) bool { return true })} {
			if err == nil || pipeline.ClassOf(err) == pipeline.Unreachable {
				t.Errorf("got %v", err)
			}
		}
	})
}

// returns reads what a source has, gives all of it back as dead letters, and wants to
// read the same once more.
func returns(t *testing.T, s pipeline.Returner, r pipeline.Reader, shard string, n int, ordered bool) {
	t.Helper()
	seen := func() (letters []pipeline.DeadLetter, all []string) {
		for len(all) < n {
			b := read(t, r, large)
			b.Shard = shard
			for i := range b.Records {
				record := &b.Records[i]
				record.Original = slices.Clone(record.Value.Raw())
				record.Failure = &pipeline.Failure{Stage: "sink", Err: errors.New("no")}
				letters = append(letters, pipeline.NewDeadLetter("shop", b, record, time.Now()))
				texts := []string{} // those of Watermill have no order
				for _, h := range record.Headers {
					texts = append(texts, fmt.Sprintf("%q", h))
				}
				if !ordered {
					slices.Sort(texts)
				}
				all = append(all, fmt.Sprintf("%q %s %v", record.Original, texts, record.Original == nil))
			}
		}
		return letters, all
	}
	letters, before := seen()
	for i := range letters {
		must(t, s.Returns(&letters[i]))
	}
	must(t, s.Return(t.Context(), letters))
	if _, after := seen(); !slices.Equal(before, after) {
		for i := range before {
			if before[i] != after[i] {
				t.Errorf("record %d: before %.300s\nafter  %.300s", i, before[i], after[i])
			}
		}
		t.Errorf("%d records before, %d after", len(before), len(after))
	}
	cut := letters[0]
	cut.Cut = true
	wantError(t, s.Returns(&cut), pipeline.Permanent, "not whole")
	other := letters[0]
	other.Shard = "another"
	wantError(t, s.Returns(&other), pipeline.Permanent, "does not read another any more")
}

func TestListTakesRecordsBack(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(append(numbers(0, 1200), "", "\xff\x00")...)
		s := l.source(func(s *ListSettings) { s.Keys = []string{l.key} })
		returns(t, s, open(t, s, l.key, nil), l.key, 1202, true)
		wantError(t, s.Returns(&pipeline.DeadLetter{Shard: l.key}), pipeline.Permanent, "no value")
	})
}

func TestStreamTakesRecordsBack(t *testing.T) {
	kinds := map[string]func(*StreamSettings){
		"value field": func(*StreamSettings) {},
		"object":      func(s *StreamSettings) { s.ValueField = "" },
		"watermill":   func(s *StreamSettings) { s.ValueField, s.Watermill = "", true },
	}
	eachStream(t, func(t *testing.T, s *streamTest) {
		for kind, change := range kinds {
			for _, group := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, group %v", kind, group), func(t *testing.T) {
					must(t, s.redis.Del(t.Context(), s.key).Err())
					n := 3
					if kind == "watermill" {
						pub, _ := s.stockPair()
						must(t, pub.Publish(s.key, oddMessages()...))
						n = len(oddMessages())
					} else {
						s.do("XADD", s.key, "*", "v", "1", "b", "2", "a", "x\"y", "b", "3")
						s.do("XADD", s.key, "*", "v", "", "v", "again")
						s.do("XADD", s.key, "*", "other", "no value")
					}
					keys := func(settings *StreamSettings) { settings.Keys = []string{s.key} }
					if group {
						two := func(settings *StreamSettings) { settings.Group.Consumers = 2 }
						source := s.group("one", keys, change, two)
						returns(t, source, s.join(source), s.key+"#1", n, kind != "watermill")
						return
					}
					source := s.source(keys, change)
					returns(t, source, open(t, source, s.key, nil), s.key, n, kind != "watermill")
				})
			}
		}
	})
}

// TestWhatWasNoObjectIsNotTakenBack, since nobody can tell which fields it had.
func TestWhatWasNoObjectIsNotTakenBack(t *testing.T) {
	s, err := NewStreamSource(StreamSettings{Connection: Connection{URL: "redis://127.0.0.1:1"}, Keys: []string{"events"}}, quiet)
	must(t, err)
	defer s.Close() //nolint:errcheck // a test
	for _, value := range []string{"", "a=b\n", "[]", "{}", `{"a":1}`, `{"a":"b"`, `{"a":{"b":"c"}}`} {
		wantError(t, s.Returns(&pipeline.DeadLetter{Shard: "events", Value: []byte(value)}), pipeline.Permanent, "no object of texts")
	}
}
