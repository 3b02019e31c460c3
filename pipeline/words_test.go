package pipeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOffsetsAreOrdered(t *testing.T) {
	inOrder := []Offset{{}, {0, 1}, {0, 1 << 63}, {1, 0}, {1, 5}, {2, 4}, {1 << 63, 0}}
	for i, o := range inOrder {
		for j, p := range inOrder {
			got := o.Compare(p)
			if (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%v to %v: %d", o, p, got)
			}
		}
	}
	if got := (Offset{1526919030474, 55}).String(); got != "1526919030474-55" {
		t.Error(got)
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Offset {
			return Offset{rapid.Uint64Range(0, 3).Draw(t, "major"), rapid.Uint64Range(0, 3).Draw(t, "minor")}
		}), 0, 20)
		sorted := draw.Draw(t, "offsets")
		slices.SortFunc(sorted, Offset.Compare)
		for i := 1; i < len(sorted); i++ {
			a, b := sorted[i-1], sorted[i]
			if a.Major > b.Major || a.Major == b.Major && a.Minor > b.Minor {
				t.Fatalf("%v before %v", a, b)
			}
		}
	})
}

func TestErrorsSayWhatAndWhatToDo(t *testing.T) {
	for _, test := range []struct {
		err  Error
		want string
	}{
		{Error{What: "it broke"}, "it broke"},
		{Error{What: "it broke", Err: io.EOF}, "it broke: EOF"},
		{Error{What: "it broke", Do: "mend it"}, "it broke; mend it"},
		{Error{What: "it broke", Err: io.EOF, Do: "mend it"}, "it broke: EOF; mend it"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
		if test.err.Err != nil && !errors.Is(&test.err, io.EOF) {
			t.Errorf("%q hides its cause", test.want)
		}
	}
}

func TestClassOfTheOutermostErrorCounts(t *testing.T) {
	gap := &Error{Class: Gap, What: "gap"}
	for _, test := range []struct {
		err  error
		want Class
	}{
		{nil, Retryable},
		{io.EOF, Retryable},
		{gap, Gap},
		{fmt.Errorf("shard a: %w", gap), Gap},
		{&Error{Class: Permanent, What: "x", Err: gap}, Permanent},
		{&Error{Class: Unreachable, What: "x", Err: io.EOF}, Unreachable},
		{errors.Join(io.EOF, &Error{Class: Fenced}), Fenced},
		{&Refused{Err: &Error{Class: Permanent}}, Permanent},
	} {
		if got := ClassOf(test.err); got != test.want {
			t.Errorf("%v: got %v, want %v", test.err, got, test.want)
		}
	}
}

func TestRefusedTellsThePlace(t *testing.T) {
	r := &Refused{Shard: "a", Offset: Offset{1, 2}, Err: io.EOF}
	if got := r.Error(); got != "the sink refused the record at a 1-2: EOF" || !errors.Is(r, io.EOF) {
		t.Error(got)
	}
}

func TestWords(t *testing.T) {
	got := fmt.Sprint(Retryable, Unreachable, Permanent, Gap, Fenced, ";", AtMostOnce, AtLeastOnce, ExactlyOnce, ";", Opaque, ",", Text, ",", Document)
	want := "retryable unreachable permanent gap fenced;at_most_once at_least_once exactly_once;bytes,text,a JSON document"
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("got %s", got)
	}
	if AtMostOnce >= AtLeastOnce || AtLeastOnce >= ExactlyOnce {
		t.Error("guarantees are not ordered from weak to strong")
	}
	if got := (Problem{Field: "trigger.cron", What: "is no cron expression", Do: "write */5 * * * *"}).Error(); got != "trigger.cron: is no cron expression; write */5 * * * *" {
		t.Error(got)
	}
}

// TestSecretsAreMasked in all the ways that people print a struct.
func TestSecretsAreMasked(t *testing.T) {
	const url = "redis://user:hunter2@localhost"
	settings := struct{ URL Secret }{url}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if got := fmt.Sprintf(format, settings) + fmt.Sprintf(format, settings.URL); strings.Contains(got, "hunter2") {
			t.Errorf("%s shows %s", format, got)
		}
	}
	if settings.URL.Reveal() != url {
		t.Error("the secret is lost")
	}
}

// TestPositionsSurviveStorage: sinks store positions as JSON.
func TestPositionsSurviveStorage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Position{
			Incarnation: rapid.String().Draw(t, "incarnation"), Offset: Offset{rapid.Uint64().Draw(t, "major"), rapid.Uint64().Draw(t, "minor")},
			Evidence: Evidence{rapid.String().Draw(t, "hash"), rapid.Uint64().Draw(t, "added"), rapid.Uint64().Draw(t, "entries"), rapid.String().Draw(t, "replica")},
		}
		text, err := json.Marshal(p)
		var back Position
		if err != nil || json.Unmarshal(text, &back) != nil || back != p {
			t.Fatalf("%+v became %+v by %s, %v", p, back, text, err)
		}
	})
}
