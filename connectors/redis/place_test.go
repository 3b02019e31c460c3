//go:build unix

package redis

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

func count(n uint64) pipeline.Offset { return pipeline.Offset{Minor: n} }

func placed(t *testing.T, s pipeline.Placer, key, at string, last *pipeline.Position) pipeline.Position {
	t.Helper()
	p, err := s.Place(t.Context(), key, at, last)
	must(t, err)
	return p
}

func TestListPlaces(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 100)...)
		s := l.source()
		_, err := s.Place(t.Context(), l.key, pipeline.Newest, nil)
		wantError(t, err, pipeline.Permanent, "list "+l.key+" was never read")
		r := open(t, s, l.key, nil)
		_, after := take(t, r, 40, pipeline.Limit{Records: 40, Bytes: 4 << 20})
		must(t, r.Settle(t.Context(), after))
		must(t, r.Close())
		for at, want := range map[string]uint64{pipeline.Oldest: 40, pipeline.Kept: 40, pipeline.Newest: 100, "70": 70, "0-70": 70} {
			if p := placed(t, s, l.key, at, &after); p.Offset != count(want) || p.Incarnation != after.Incarnation || p.Evidence.Added != want || (p.Evidence.Hash == "") != (want == 40) {
				t.Errorf("%s is at %+v", at, p)
			}
		}
		for _, at := range []string{"39", "101", "-1", "youngest", "1-70"} {
			_, err := s.Place(t.Context(), l.key, at, &after)
			wantError(t, err, pipeline.Permanent, "no place "+at, "from 40 to 100")
		}
		if l.length() != 60 {
			t.Error("looking has removed something")
		}
		p := placed(t, s, l.key, "70", &after)
		got, _ := take(t, open(t, s, l.key, &p), 30, large)
		wantValues(t, got, numbers(70, 100))
	})
}

func TestListForgetsItsCompanion(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 20)...)
		s := l.source()
		r := open(t, s, l.key, nil)
		_, after := take(t, r, 5, pipeline.Limit{Records: 5, Bytes: 4 << 20})
		must(t, r.Settle(t.Context(), after))
		must(t, r.Close())
		other := after
		other.Incarnation = "another"
		wantError(t, s.Forget(t.Context(), l.key, &other), pipeline.Gap, "is of incarnation "+after.Incarnation, "another was committed")
		must(t, s.Forget(t.Context(), l.key, &after))
		must(t, s.Forget(t.Context(), l.key, &after)) // the command can be given again
		got, _ := take(t, open(t, s, l.key, nil), 15, large)
		wantValues(t, got, numbers(5, 20))
	})
}

func TestStreamPlaces(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		source := s.source()
		_, err := source.Place(t.Context(), s.key, pipeline.Oldest, nil)
		wantError(t, err, pipeline.Permanent, "there is no stream "+s.key)
		s.add(1, numbers(0, 100)...)
		_, err = source.Place(t.Context(), s.key, "101-0", nil)
		wantError(t, err, pipeline.Permanent, "no place 101-0", "100-0")
		r := open(t, source, s.key, nil)
		_, after := take(t, r, 100, large)
		must(t, r.Close())
		p := placed(t, source, s.key, "60-0", &after)
		if p.Incarnation != after.Incarnation {
			t.Errorf("the incarnation is %q", p.Incarnation)
		}
		got, _ := take(t, open(t, source, s.key, &p), 40, large)
		wantValues(t, got, numbers(60, 100))

		// Before the first entry there is, what was trimmed is no gap.
		s.do("XTRIM", s.key, "MAXLEN", "30")
		p = placed(t, source, s.key, "20-0", &after)
		g, err := (&streamReader{source: source, key: s.key}).glance(t.Context())
		must(t, err)
		if told := g.counted && g.first != (pipeline.Offset{}); told && (p.Offset != count(0) || p.Evidence.Added != 70) { // miniredis does not tell
			t.Errorf("before the first entry it is at %+v", p)
		}
		got, _ = take(t, open(t, source, s.key, &p), 30, large)
		wantValues(t, got, numbers(70, 100))
		p = placed(t, source, s.key, pipeline.Newest, &after)
		nothing(t, open(t, source, s.key, &p))

		// Of a stream that was made again, places are of another incarnation.
		s.do("DEL", s.key)
		s.add(1, numbers(0, 10)...)
		p = placed(t, source, s.key, pipeline.Oldest, &after)
		if p.Incarnation == after.Incarnation {
			t.Error("another stream has the same incarnation")
		}
		got, _ = take(t, open(t, source, s.key, &p), 10, large)
		wantValues(t, got, numbers(0, 10))
	})
}
