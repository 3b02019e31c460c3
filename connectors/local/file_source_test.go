package local

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

func appendTo(t *testing.T, path, more string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(more)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestFileKeepsTheBytesOfLines(t *testing.T) {
	for input, want := range map[string][]string{
		"":                 nil,
		"\n":               {""},
		"a\n\nb\r\n":       {"a", "", "b\r"},
		"no newline":       {"no newline"},
		"\xff\x00\n{\"a\"": {"\xff\x00", `{"a"`},
	} {
		r := open(t, NewFileSource(FileSourceSettings{Path: writeFile(t, input)}), pipeline.OpenRequest{})
		if got, _ := readAll(t, r, large); !slices.Equal(got, want) {
			t.Errorf("%q gives %q, want %q", input, got, want)
		}
	}
}

func TestFileGrows(t *testing.T) {
	path := writeFile(t, "a\nb")
	s := NewFileSource(FileSourceSettings{Path: path})
	r := open(t, s, pipeline.OpenRequest{})
	got, after := readAll(t, r, large)
	from := after[0]

	// The newline of a line that was read without it is not an empty line.
	appendTo(t, path, "\n")
	for _, reader := range []pipeline.Reader{r, open(t, s, pipeline.OpenRequest{From: &from})} {
		b, err := read(t, reader, large)
		if err != nil || len(b.Records) != 0 || b.After.Offset.Minor != 4 {
			t.Fatalf("after the late newline: %v, %d records, %v", err, len(b.Records), b.After)
		}
	}
	appendTo(t, path, "c\n\n")
	for _, reader := range []pipeline.Reader{r, open(t, s, pipeline.OpenRequest{From: &from})} {
		if lag, err := reader.Lag(t.Context()); lag != -1 || err != nil {
			t.Errorf("lag is %d, %v; nobody has counted", lag, err)
		}
		if more, _ := readAll(t, reader, large); !slices.Equal(append(got, more...), []string{"a", "b", "c", ""}) {
			t.Errorf("read %q, then %q", got, more)
		}
	}
}

func TestFileThatDoesNotContinueIsAGap(t *testing.T) {
	long := strings.Repeat("0123456789\n", 500)
	for name, change := range map[string]struct{ before, after string }{
		"cut short":             {long, long[:1100]},
		"emptied":               {"a\nb\n", ""},
		"other beginning":       {long, "x" + long[1:]},
		"edited before the end": {long, long[:len(long)-30] + "x" + long[len(long)-29:]},
		"other, longer":         {"a\nb\n", "A\nB\nC\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeFile(t, change.before)
			s := NewFileSource(FileSourceSettings{Path: path})
			_, after := readAll(t, open(t, s, pipeline.OpenRequest{}), large)
			if err := os.WriteFile(path, []byte(change.after), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := s.Open(t.Context(), pipeline.OpenRequest{From: &after[0]})
			class(t, err, pipeline.Gap)
		})
	}
	s := NewFileSource(FileSourceSettings{Path: writeFile(t, long)})
	for _, life := range []string{"", "stdin-XYZ", "-1-abc", "99999-abc"} {
		_, err := s.Open(t.Context(), pipeline.OpenRequest{From: &pipeline.Position{Incarnation: life}})
		class(t, err, pipeline.Gap)
	}
}

func TestFileCutShortWhileReadingIsAGap(t *testing.T) {
	path := writeFile(t, "a\nb\nc\n")
	r := open(t, NewFileSource(FileSourceSettings{Path: path}), pipeline.OpenRequest{})
	b, err := read(t, r, pipeline.Limit{Records: 2, Bytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1); err != nil {
		t.Fatal(err)
	}
	class(t, r.Wait(t.Context()), pipeline.Gap)
	class(t, r.Rewind(b.After), pipeline.Gap)
	_, err = r.Tail(t.Context())
	class(t, err, pipeline.Gap)
}

func TestFileMovedIsTheSame(t *testing.T) {
	path := writeFile(t, "a\nb\n")
	_, after := readAll(t, open(t, NewFileSource(FileSourceSettings{Path: path}), pipeline.OpenRequest{}), large)
	moved := writeFile(t, "a\nb\nc\n")
	r := open(t, NewFileSource(FileSourceSettings{Path: moved}), pipeline.OpenRequest{From: &after[0]})
	if got, _ := readAll(t, r, large); !slices.Equal(got, []string{"c"}) {
		t.Errorf("read %q", got)
	}
}

func TestFilePositionFile(t *testing.T) {
	path := writeFile(t, "a\nb\nc\n")
	s := NewFileSource(FileSourceSettings{Path: path})
	r := open(t, s, pipeline.OpenRequest{KeepsPosition: true})
	b, err := read(t, r, pipeline.Limit{Records: 2, Bytes: 100})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Settle(t.Context(), b.After); err != nil {
		t.Fatal(err)
	}
	keep := path + ".penstock-position"
	raw, err := os.ReadFile(keep)
	const want = `{"version":1,"incarnation":"6-3ca69e8d6c234a469d16ac28a4a658c92267c423","offset":4,"records":2,"hash":"05dec960e24d918b8a73a1c53bcbbaac2ee5c2e0"}` + "\n"
	if err != nil || string(raw) != want {
		t.Errorf("the position file holds %s, %v; want %s", raw, err, want)
	}

	// Another process goes on from there; with a position of the sink, from that.
	next := open(t, NewFileSource(FileSourceSettings{Path: path}), pipeline.OpenRequest{KeepsPosition: true})
	if got, _ := readAll(t, next, large); !slices.Equal(got, []string{"c"}) || next.Start() != b.After {
		t.Errorf("read %q from %+v", got, next.Start())
	}
	start := r.Start()
	again := open(t, s, pipeline.OpenRequest{KeepsPosition: true, From: &start})
	if got, _ := readAll(t, again, large); len(got) != 3 {
		t.Errorf("read %q", got)
	}
	for _, broken := range []string{"", "{", `{"version":2}`, `{"version":1,"surprise":0}`} {
		if err := os.WriteFile(keep, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := s.Open(t.Context(), pipeline.OpenRequest{KeepsPosition: true})
		class(t, err, pipeline.Permanent)
	}
	if left, err := filepath.Glob(keep + ".*"); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

func TestFilePositionThatCannotBeKept(t *testing.T) {
	s := NewFileSource(FileSourceSettings{
		Path: writeFile(t, "a\n"), PositionFile: filepath.Join(t.TempDir(), "missing", "position"),
	})
	r := open(t, s, pipeline.OpenRequest{KeepsPosition: true})
	b, err := read(t, r, large)
	if err != nil {
		t.Fatal(err)
	}
	class(t, r.Settle(t.Context(), b.After), pipeline.Retryable)
	if err := r.Wait(t.Context()); !errors.Is(err, pipeline.ErrEnd) {
		t.Errorf("after that Wait gives %v", err)
	}
}

func TestFileThatIsNone(t *testing.T) {
	folder := t.TempDir()
	for _, path := range []string{folder, filepath.Join(folder, "missing"), os.DevNull} {
		_, err := NewFileSource(FileSourceSettings{Path: path}).Open(t.Context(), pipeline.OpenRequest{})
		class(t, err, pipeline.Permanent)
	}
}
