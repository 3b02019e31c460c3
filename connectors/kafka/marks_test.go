package kafka

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestMarksRemember: whatever is given back in whatever order, also after an Each that
// was not read to its end, it is that and nothing else.
func TestMarksRemember(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		letters := rapid.SliceOfNDistinct(rapid.Int64Range(0, 60), 0, 30, rapid.ID).Draw(r, "letters")
		slices.Sort(letters)
		back := map[int64]bool{}
		var stored marks
		for range rapid.IntRange(1, 6).Draw(r, "rounds") {
			s := &shown{marks: stored, end: stored.next}
			stop := rapid.IntRange(0, 40).Draw(r, "stop") // letters that are shown at most
			for offset := stored.next; offset <= 60 && len(s.letters) < stop; offset++ {
				s.end = offset + 1
				if slices.Contains(letters, offset) && !s.has(offset) {
					s.letters = append(s.letters, offset)
				}
			}
			now := map[int64]bool{}
			for _, offset := range s.letters {
				if rapid.Bool().Draw(r, "back") {
					now[offset], back[offset] = true, true
				}
			}
			if len(now) == 0 {
				continue
			}
			s.note(now)
			text, err := s.text()
			if err != nil {
				r.Fatal(err)
			}
			stored = marksIn(s.next, text)
			for _, offset := range letters {
				if stored.has(offset) != back[offset] {
					r.Fatalf("offset %d: noted %v, given back %v; marks %+v of %v", offset, stored.has(offset), back[offset], stored, letters)
				}
			}
		}
	})
}

func TestTooManyMarks(t *testing.T) {
	var left []int64
	for n := range int64(2000) {
		left = append(left, 2*n)
	}
	m := marksOf(left, 0, 4000)
	if _, err := m.text(); err == nil || !strings.Contains(err.Error(), "give back those that come before") {
		t.Errorf("got %v", err)
	}
}

func FuzzMarksIn(f *testing.F) {
	for _, text := range []string{"", "1-2", "5-9,11-20", "9-5", "a-b", ",,", "1-9223372036854775807"} {
		f.Add(int64(3), text)
	}
	f.Fuzz(func(t *testing.T, next int64, text string) {
		m := marksIn(next, text)
		written, err := m.text()
		if err != nil {
			return
		}
		if again := marksIn(next, written); !slices.Equal(again.spans, m.spans) {
			t.Errorf("%q: %v, then %v", text, m.spans, again.spans)
		}
	})
}
