package local

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-io/penstock/pipeline"
)

func letterOf(value string) pipeline.DeadLetter {
	return pipeline.DeadLetter{
		Pipeline: "shop", Stage: "transforms[0].filter", Transform: "filter", Error: "no field \"x\"", Shard: "events", Offset: pipeline.Offset{Major: 1, Minor: 2},
		Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Attempts: 3, Key: []byte("k"), Value: []byte(value), Stamp: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Headers: []pipeline.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: []byte{0xff}}},
	}
}

// lettersAt makes a place for letters of a pipeline.
func lettersAt(t testing.TB, path, name string) *DeadLetters {
	t.Helper()
	d, err := NewDeadLetters(path, name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// lettersIn gives what Each shows.
func lettersIn(t testing.TB, d *DeadLetters) []pipeline.DeadLetter {
	t.Helper()
	var all []pipeline.DeadLetter
	if err := d.Each(t.Context(), func(l pipeline.DeadLetter) bool { all = append(all, l); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}

func keep(t testing.TB, d *DeadLetters, letters ...pipeline.DeadLetter) {
	t.Helper()
	if err := d.Keep(t.Context(), letters); err != nil {
		t.Fatal(err)
	}
}

// TestLettersAreWhatTheyWere: all of them, whatever the bytes are.
func TestLettersAreWhatTheyWere(t *testing.T) {
	d := lettersAt(t, filepath.Join(t.TempDir(), "dead.jsonl"), "shop")
	if got := lettersIn(t, d); got != nil {
		t.Errorf("before the first: %v", got)
	}
	want := []pipeline.DeadLetter{letterOf(`{"a": "<\n>"}`), letterOf("\xff\x00"), letterOf(""), letterOf("")}
	want[2].Value, want[2].Key, want[2].Headers, want[2].Attempts, want[2].Transform = nil, nil, nil, 0, ""
	keep(t, d, want[:2]...)
	keep(t, d, want[2:]...)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	got := lettersIn(t, d)
	for i := range want {
		want[i].ID = got[i].ID
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got[0].ID != "0" || got[1].ID == "0" {
		t.Errorf("ids %s, %s", got[0].ID, got[1].ID)
	}
	if info, err := os.Stat(d.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// TestLettersOfAnyBytes are the same afterwards.
func TestLettersOfAnyBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.jsonl")
	rapid.Check(t, func(r *rapid.T) {
		if err := os.RemoveAll(path); err != nil {
			r.Fatal(err)
		}
		d := lettersAt(t, path, "shop")
		defer d.Close() //nolint:errcheck // a test
		letter := letterOf("")
		letter.Value = rapid.SliceOf(rapid.Byte()).Draw(r, "value")
		letter.Key = rapid.SliceOf(rapid.Byte()).Draw(r, "key")
		letter.Error = strings.ToValidUTF8(rapid.String().Draw(r, "error"), "")
		letter.Headers = []pipeline.Header{{Key: rapid.String().Draw(r, "name"), Value: rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(r, "text")}}
		if err := d.Keep(context.Background(), []pipeline.DeadLetter{letter, letter}); err != nil {
			r.Fatal(err)
		}
		n := 0
		if err := d.Each(context.Background(), func(l pipeline.DeadLetter) bool {
			l.ID, n = "", n+1
			if !reflect.DeepEqual(l, letter) {
				r.Fatalf("got  %+v\nwant %+v", l, letter)
			}
			return true
		}); err != nil || n != 2 {
			r.Fatalf("%d letters, %v", n, err)
		}
	})
}

// TestLettersGivenBackAreGone, also for who opens the file later, and beside a writer.
func TestLettersGivenBackAreGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.jsonl")
	d := lettersAt(t, path, "shop")
	keep(t, d, letterOf("1"), letterOf("2"), letterOf("3"))
	all := lettersIn(t, d)
	for range 2 { // twice is once
		if err := d.GivenBack(t.Context(), []string{all[0].ID, all[2].ID}); err != nil {
			t.Fatal(err)
		}
	}
	keep(t, d, letterOf("4"))
	left := lettersIn(t, lettersAt(t, path, "shop"))
	if len(left) != 2 || string(left[0].Value) != "2" || string(left[1].Value) != "4" {
		t.Errorf("left %+v", left)
	}
	for _, id := range []string{"1", "x", "100000"} {
		if err := d.GivenBack(t.Context(), []string{id}); err == nil {
			t.Errorf("%s is taken for a letter", id)
		}
	}
	if others := lettersIn(t, lettersAt(t, path, "another")); others != nil {
		t.Errorf("another pipeline has %v", others)
	}
	d.Close() //nolint:errcheck // a test
}

// TestLettersAfterACrash: a line that was cut short is no letter, and hides none.
func TestLettersAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead.jsonl")
	d := lettersAt(t, path, "shop")
	keep(t, d, letterOf("1"))
	d.Close() //nolint:errcheck // a test
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < len(whole); cut += 7 {
		if err := os.WriteFile(path, slices.Concat(whole, whole[:cut]), 0o600); err != nil {
			t.Fatal(err)
		}
		again := lettersAt(t, path, "shop")
		if got := lettersIn(t, again); len(got) != 1 {
			t.Fatalf("cut at %d: %d letters", cut, len(got))
		}
		keep(t, again, letterOf("2"))
		if got := lettersIn(t, again); len(got) != 2 || string(got[1].Value) != "2" {
			t.Fatalf("cut at %d: %d letters after one more", cut, len(got))
		}
		again.Close() //nolint:errcheck // a test
	}
}

// TestLettersShownAreThoseOfTheBeginning: what is kept meanwhile does not come.
func TestLettersShownAreThoseOfTheBeginning(t *testing.T) {
	d := lettersAt(t, filepath.Join(t.TempDir(), "dead.jsonl"), "shop")
	keep(t, d, letterOf("1"))
	n := 0
	if err := d.Each(t.Context(), func(pipeline.DeadLetter) bool { keep(t, d, letterOf("2")); n++; return n < 10 }); err != nil || n != 1 {
		t.Errorf("%d letters, %v", n, err)
	}
	d.Close() //nolint:errcheck // a test
}

// TestLettersWithoutAPlace say what to do.
func TestLettersWithoutAPlace(t *testing.T) {
	_, err := NewDeadLetters(filepath.Join(t.TempDir(), "none", "dead.jsonl"), "shop")
	class(t, err, pipeline.Permanent)
	class(t, lettersAt(t, t.TempDir(), "shop").Keep(t.Context(), []pipeline.DeadLetter{letterOf("1")}), pipeline.Permanent)
}

// FuzzLetterLine: whatever stands in the file, a line is a letter or is passed over, and
// one that is a letter is the same when it is written again.
func FuzzLetterLine(f *testing.F) {
	letter := letterOf("a")
	line, err := lineOf(&letter)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Add([]byte(notGivenBack + `"pipeline":"shop","stage":"sink","value_base64":"/w=="}`))
	f.Add([]byte(notGivenBack))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d := lettersAt(t, "", "shop")
		letter, ok := d.letter(raw, 7)
		if !ok {
			return
		}
		line, err := lineOf(&letter)
		if err != nil {
			return // a time beyond the year 9999
		}
		again, ok := d.letter(line, 7)
		if !ok || string(again.Value) != string(letter.Value) || string(again.Key) != string(letter.Key) || len(again.Headers) != len(letter.Headers) {
			t.Errorf("%s\nthen %s", raw, line)
		}
	})
}
