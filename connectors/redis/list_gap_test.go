//go:build unix

package redis

import (
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

func TestListForeignPopIsSeenBeforeTheCommit(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 100)...)
		r := open(t, l.source(), l.key, nil)
		take(t, r, 50, large)
		must(t, r.Rewind(read(t, r, pipeline.Limit{Records: 1, Bytes: 1}).After)) // whatever came ahead is thrown away
		l.pop(1)
		_, err := tryRead(t.Context(), r, large)
		wantError(t, err, pipeline.Gap, "list "+l.key, "SHA-1", "another client pops", "pushed_by")
		l.pop(99)
		_, err = tryRead(t.Context(), r, large)
		wantError(t, err, pipeline.Gap, "are gone")
	})
}

// Between identical items a foreign pop cannot be told from none: the README
// says so.
func TestListForeignPopBetweenIdenticalItems(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(slices.Repeat([]string{"the same"}, 20)...)
		r := open(t, l.source(), l.key, nil)
		_, after := take(t, r, 10, pipeline.Limit{Records: 5, Bytes: 4 << 20})
		must(t, r.Rewind(after))
		l.pop(1)
		got, _ := take(t, r, 9, large)
		wantValues(t, got, slices.Repeat([]string{"the same"}, 9))
	})
}

func TestListPushedAtTheOtherEnd(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 10)...)
		r := open(t, l.source(), l.key, nil)
		take(t, r, 10, large)
		l.by = map[string]string{"rpush": "lpush", "lpush": "rpush"}[l.by]
		l.push("at the wrong end")
		_, err := tryRead(t.Context(), r, large)
		wantError(t, err, pipeline.Gap, "push at the other end than pushed_by says")
	})
}

func TestListTrimRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(l *listTest)
		words     string
	}{
		"popped":             {func(l *listTest) { l.pop(1) }, "the first of the committed items has SHA-1"},
		"popped to the tail": {func(l *listTest) { l.pop(15) }, "holds 5 items where 10 are committed"},
		"deleted":            {func(l *listTest) { l.redis.Del(l.t.Context(), l.key) }, "holds 0 items where 10 are committed"},
		"another incarnation": {func(l *listTest) {
			l.setCompanion(map[string]string{"version": "1", "incarnation": "X", "position": "0"})
		}, `changed under the reader: incarnation "X"`},
		"no companion": {func(l *listTest) { l.setCompanion(nil) }, "is gone (FLUSHALL, DEL, or a failover)"},
		"no position": {func(l *listTest) {
			l.setCompanion(map[string]string{"version": "1", "incarnation": l.companion()["incarnation"], "position": "?"})
		}, "changed under the reader"},
		"the last one changed": {func(l *listTest) { l.set(9, "changed") }, "the last of the committed items has SHA-1"},
	} {
		t.Run(name, func(t *testing.T) {
			eachPush(t, func(t *testing.T, l *listTest) {
				l.push(numbers(0, 20)...)
				r := open(t, l.source(), l.key, nil)
				_, after := take(t, r, 10, large)
				c.meanwhile(l)
				left, companion := l.length(), l.companion()
				wantError(t, r.Settle(t.Context(), after), pipeline.Gap, c.words, "list "+l.key)
				if l.length() != left || l.companion()["position"] != companion["position"] {
					t.Error("it has removed something")
				}
			})
		})
	}
}

// set changes the i-th item from the end that is read.
func (l *listTest) set(i int64, value string) {
	l.t.Helper()
	if l.by == "lpush" {
		i = -i - 1
	}
	must(l.t, l.redis.LSet(l.t.Context(), l.key, i, value).Err())
}

func TestListTakenOver(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 100)...)
		s := l.source()
		r := open(t, s, l.key, nil)
		_, start := take(t, r, 10, large)
		must(t, r.Rewind(start))
		rival := open(t, s, l.key, &start)
		_, after := take(t, rival, 50, large)
		must(t, rival.Settle(t.Context(), after))
		_, err := tryRead(t.Context(), r, large)
		wantError(t, err, pipeline.Fenced, "taken over by another reader", "60 of its items are removed", "has read 10")
		wantError(t, r.Settle(t.Context(), pipeline.Position{Incarnation: start.Incarnation, Offset: pipeline.Offset{Minor: 11}}), pipeline.Fenced, "taken over")
	})
}

// A failover can bring back the list and its companion as they were before a
// trim.
func TestListComesBackAsItWas(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 100)...)
		r := open(t, l.source(), l.key, nil)
		_, first := take(t, r, 30, large)
		_, second := take(t, r, 30, large)
		before := l.companion()
		must(t, r.Settle(t.Context(), first))
		must(t, l.redis.Del(t.Context(), l.key).Err())
		l.push(numbers(0, 100)...)
		l.setCompanion(before)
		must(t, r.Rewind(second))
		got, third := take(t, r, 40, large)
		wantValues(t, got, numbers(60, 100))
		must(t, r.Settle(t.Context(), third))
		if l.length() != 0 {
			t.Errorf("%d items are left", l.length())
		}
	})
}

// Where the companion went backwards it is Redis who has lost the items, and nobody
// is suspected.
func TestListLostItsNewestWrites(t *testing.T) {
	for name, c := range map[string]struct {
		items []string // that are left
		words string
	}{
		"items are gone":    {numbers(0, 20), "are gone"},
		"others came since": {numbers(500, 600), "is another one than was read there"},
	} {
		t.Run(name, func(t *testing.T) {
			eachPush(t, func(t *testing.T, l *listTest) {
				l.push(numbers(0, 100)...)
				r := open(t, l.source(), l.key, nil)
				before := l.companion()
				_, first := take(t, r, 30, large)
				_, second := take(t, r, 30, large)
				must(t, r.Settle(t.Context(), first))
				must(t, l.redis.Del(t.Context(), l.key).Err())
				l.push(c.items...)
				l.setCompanion(before)
				must(t, r.Rewind(second))
				_, err := tryRead(t.Context(), r, large)
				wantError(t, err, pipeline.Gap, c.words, "Redis has lost its newest writes (a failover, or a restart without them)")
				if strings.Contains(err.Error(), "another client pops or") {
					t.Errorf("%q suspects others", err)
				}
				wantError(t, r.Settle(t.Context(), second), pipeline.Gap, "Redis has lost its newest writes (a failover, or")
			})
		})
	}
}

func TestListGoesOnAfterAGap(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 100)...)
		log, said := recorded()
		s := l.place.list(t, log, func(s *ListSettings) { s.PushedBy, s.OnGap = l.by, "continue" })
		r := open(t, s, l.key, nil)
		_, after := take(t, r, 50, large)
		must(t, r.Rewind(after))
		l.pop(10)
		_, err := tryRead(t.Context(), r, large)
		wantError(t, err, pipeline.Retryable, "taken as a new one")
		got, end := take(t, r, 90, large)
		wantValues(t, got, numbers(10, 100))
		if end.Incarnation == after.Incarnation || end.Offset.Compare(after.Offset) < 0 {
			t.Errorf("from %+v it went on to %+v", after, end)
		}
		must(t, r.Settle(t.Context(), after)) // of the old incarnation, committed meanwhile
		if l.length() != 90 {
			t.Errorf("%d items are left", l.length())
		}
		must(t, r.Settle(t.Context(), end))
		if l.length() != 0 {
			t.Errorf("%d items are left", l.length())
		}
		if !strings.Contains(said.String(), "taken as a new one") {
			t.Errorf("the log says nothing: %s", said)
		}
		// The trim can be the first to see it.
		l.push(numbers(0, 20)...)
		_, after = take(t, r, 10, large)
		l.pop(15)
		must(t, r.Settle(t.Context(), after))
		_, err = tryRead(t.Context(), r, large)
		for err == nil { // what came ahead
			_, err = tryRead(t.Context(), r, large)
		}
		wantError(t, err, pipeline.Retryable, "taken as a new one")
		got, _ = take(t, r, 5, large)
		wantValues(t, got, numbers(15, 20))
	})
}
