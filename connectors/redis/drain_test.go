//go:build unix

package redis

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// began reads once, and checks that it gives where another incarnation begins.
func began(t *testing.T, r pipeline.Reader, before pipeline.Position) pipeline.Position {
	t.Helper()
	b, err := tryRead(t.Context(), r, large)
	must(t, err)
	if b.After.Incarnation == "" || b.After.Incarnation == before.Incarnation || len(b.Records) > 0 {
		t.Fatalf("got %d records and the position %+v, want another incarnation than that of %+v", len(b.Records), b.After, before)
	}
	return b.After
}

func wantTail(t *testing.T, r pipeline.Reader, want pipeline.Position) {
	t.Helper()
	p, err := r.Tail(t.Context())
	must(t, err)
	if p.Incarnation != want.Incarnation || p.Offset != want.Offset {
		t.Errorf("the tail is %v of %s, want %v of %s", p.Offset, p.Incarnation, want.Offset, want.Incarnation)
	}
}

// at gives a position in the incarnation of another.
func at(p pipeline.Position, o pipeline.Offset) pipeline.Position {
	p.Offset = o
	return p
}

// What others pop brings the tail closer; what this reader trims does not, also
// when the answer to the trim is lost.
func TestListTailMoves(t *testing.T) {
	eachPush(t, func(t *testing.T, l *listTest) {
		l.push(numbers(0, 100)...)
		s := l.source(onGapContinues)
		r := open(t, s, l.key, nil)
		_, after := take(t, r, 30, large)
		ghost := open(t, s, l.key, &after)
		must(t, ghost.Close())
		wantTail(t, r, at(after, pipeline.Offset{Minor: 100}))
		must(t, r.Settle(t.Context(), after))
		l.pop(50)
		wantTail(t, r, at(after, pipeline.Offset{Minor: 50}))
		l.pop(20)
		wantTail(t, r, after) // the list is empty
	})
}

// A list of which others have taken what was read has no tail until it is taken
// as a new one; that begins with its position, also where the list is empty.
func TestListTailOfANewIncarnation(t *testing.T) {
	for name, left := range map[string]int{"items are left": 5, "the list is empty": 0} {
		t.Run(name, func(t *testing.T) {
			eachPush(t, func(t *testing.T, l *listTest) {
				l.push(numbers(0, 20)...)
				r := open(t, l.source(onGapContinues), l.key, nil)
				_, after := take(t, r, 10, large)
				l.pop(20 - left)
				must(t, r.Settle(t.Context(), after)) // it finds the gap
				_, err := r.Tail(t.Context())
				wantError(t, err, pipeline.Retryable, "does not continue what was read")
				for err = nil; err == nil; { // what came ahead
					_, err = tryRead(t.Context(), r, large)
				}
				wantError(t, err, pipeline.Retryable, "taken as a new one")
				start := began(t, r, after)
				wantTail(t, r, at(start, pipeline.Offset{Minor: start.Offset.Minor + uint64(left)}))
				must(t, r.Rewind(after)) // the batch was given up
				if again := began(t, r, after); again != start {
					t.Errorf("after Rewind it begins at %+v, not %+v", again, start)
				}
				if left > 0 {
					got, _ := take(t, r, left, large)
					wantValues(t, got, numbers(20-left, 20))
				}
			})
		})
	}
}

// The same for streams.
func TestStreamTailOfANewIncarnation(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 10)...)
		r := open(t, s.source(streamContinues), s.key, nil)
		_, after := take(t, r, 10, large)
		wantTail(t, r, after)
		s.do("DEL", s.key)
		must(t, caughtUp(t, r))
		start := began(t, r, after)
		wantTail(t, r, start) // nothing is left of the old one, and nothing is to be passed over
		s.add(1, numbers(0, 5)...)
		got, end := take(t, r, 5, large)
		wantValues(t, got, numbers(0, 5))
		wantTail(t, r, end)

		// The batch is given up, and the new stream gets beyond the old position.
		s.add(6, numbers(5, 15)...)
		must(t, r.Rewind(after))
		got, _ = take(t, r, 15, large)
		wantValues(t, got, numbers(0, 15))
	})
}

// A tail that is found while a request is under way is not what that request was
// about: entries that came meanwhile are not passed over.
func TestStreamTailIsOfTheRequest(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.add(1, numbers(0, 10)...)
		r := open(t, s.source(streamContinues), s.key, nil)
		_, err := r.Tail(t.Context())
		must(t, err)
		s.do("XDEL", s.key, "9-0", "10-0")
		take(t, r, 8, large)
		must(t, r.Wait(t.Context())) // it has found that nothing is left up to the tail
		s.add(11, numbers(10, 20)...)
		_, err = r.Tail(t.Context())
		must(t, err)
		got, _ := take(t, r, 10, large)
		wantValues(t, got, numbers(10, 20))
	})
}
