package pipeline

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestDeadLetterDescribed: what is said of a letter is what was so.
func TestDeadLetterDescribed(t *testing.T) {
	b := &Batch{Shard: "a list: 7"}
	r := b.Add()
	r.Offset, r.Part, r.Original = Offset{1, 2}, 3, []byte("v")
	r.Failure = &Failure{Stage: "transforms[1].filter", Err: errors.New(strings.Repeat("ü", maxReason)), Attempts: 3}
	letter := NewDeadLetter("shop", b, r, time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC))
	if len(letter.Error) > maxReason || !strings.HasPrefix(letter.Error, "üü") || strings.ToValidUTF8(letter.Error, "") != letter.Error {
		t.Errorf("the error has %d bytes", len(letter.Error))
	}
	var again DeadLetter
	for _, h := range letter.Described() {
		if !again.Describe(h.Key, string(h.Value)) {
			t.Errorf("%s is not known", h.Key)
		}
	}
	again.Value = letter.Value
	if !reflect.DeepEqual(again, letter) {
		t.Errorf("got  %+v\nwant %+v", again, letter)
	}
	if again.Describe("own", "x") || again.Describe("penstock", "x") || again.Cut {
		t.Error("the record's own header is taken for one of ours")
	}
	if !again.Describe("penstock.original.length", "7") || !again.Cut {
		t.Error("it is not seen that the letter was cut")
	}
}

// FuzzDescribe: no header makes it panic, and what it takes it gives back.
func FuzzDescribe(f *testing.F) {
	for _, h := range [][2]string{{"penstock.origin", "list 0-7"}, {"penstock.origin", ""}, {"penstock.origin", " 1-"}, {"penstock.time", "now"}, {"penstock.attempts", "-1"}, {"penstock.part", "4294967296"}, {"own", "x"}} {
		f.Add(h[0], h[1])
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		var letter, again DeadLetter
		if !letter.Describe(name, text) {
			return
		}
		for _, h := range letter.Described() {
			again.Describe(h.Key, string(h.Value))
		}
		again.Cut = letter.Cut
		if letter.Attempts <= 1 {
			letter.Attempts = 0 // as is what was tried once
		}
		if !letter.Time.Equal(again.Time) {
			t.Errorf("time %v became %v", letter.Time, again.Time)
		}
		letter.Time, again.Time = time.Time{}, time.Time{}
		if !reflect.DeepEqual(letter, again) {
			t.Errorf("%s: %q gives %+v, then %+v", name, text, letter, again)
		}
	})
}

func TestParseOffset(t *testing.T) {
	for _, text := range []string{"0-7", "1767225600123-0", "18446744073709551615-18446744073709551615"} {
		if o, ok := ParseOffset(text); !ok || o.String() != text {
			t.Errorf("%q: %v, %v", text, o, ok)
		}
	}
	for _, text := range []string{"7", "", "0-7x", "00-7", " 0-7", "-1-7", "18446744073709551616-0"} {
		if o, ok := ParseOffset(text); ok {
			t.Errorf("%q is taken for %v", text, o)
		}
	}
}
