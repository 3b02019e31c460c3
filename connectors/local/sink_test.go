package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// lineSinks makes each sink of lines, with a way to see what it holds.
var lineSinks = map[string]func(t *testing.T) (pipeline.Sink, func() string){
	"stdout": func(*testing.T) (pipeline.Sink, func() string) {
		var out bytes.Buffer
		return NewStdout(StdoutSettings{}, &out), out.String
	},
	"file": func(t *testing.T) (pipeline.Sink, func() string) {
		path := filepath.Join(t.TempDir(), "out.jsonl")
		s := NewFileSink(FileSinkSettings{Path: path})
		closeLater(t, s)
		return s, func() string { return fileContent(t, path) }
	},
}

// closeLater closes at the end of the test, twice.
func closeLater(t *testing.T, c io.Closer) {
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	})
}

func fileContent(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func eachLineSink(t *testing.T, test func(t *testing.T, s pipeline.Sink, content func() string)) {
	for name, make := range lineSinks {
		t.Run(name, func(t *testing.T) {
			s, content := make(t)
			test(t, s, content)
		})
	}
}

func commit(t *testing.T, l pipeline.Lane, batches ...*pipeline.Batch) error {
	t.Helper()
	for _, b := range batches {
		if err := l.Write(t.Context(), b); err != nil {
			return err
		}
	}
	return l.Commit(t.Context(), nil)
}

func TestLinesAreWrittenAtCommitAndNotBefore(t *testing.T) {
	eachLineSink(t, func(t *testing.T, s pipeline.Sink, content func() string) {
		l := lane(t, s)
		b := batch("a", "filtered", "\xff\r", "")
		b.Records[1].Fate = pipeline.Filtered
		if err := l.Write(t.Context(), b); err != nil || content() != "" {
			t.Fatalf("before the commit: %v, %q", err, content())
		}
		if err := commit(t, l, batch("z")); err != nil || content() != "a\n\xff\r\n\nz\n" {
			t.Fatalf("%v, %q", err, content())
		}
		if err := commit(t, l); err != nil || content() != "a\n\xff\r\n\nz\n" {
			t.Errorf("a commit of nothing: %v, %q", err, content())
		}
		if err := errors.Join(l.Write(t.Context(), batch("given up")), l.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := l.Commit(t.Context(), nil); err == nil || strings.Contains(content(), "given up") {
			t.Errorf("a closed lane commits: %v, %q", err, content())
		}
	})
}

func TestLinesOfManyBytes(t *testing.T) {
	eachLineSink(t, func(t *testing.T, s pipeline.Sink, content func() string) {
		values := make([]string, 0, 3001)
		for i := range 3000 {
			values = append(values, strings.Repeat("x", i%500))
		}
		values = append(values, strings.Repeat("y", 5*writeAhead))
		if err := commit(t, lane(t, s), batch(values...)); err != nil {
			t.Fatal(err)
		}
		if content() != strings.Join(values, "\n")+"\n" {
			t.Error("what was written is not what came")
		}
	})
}

func TestLineLaneIsTakenOver(t *testing.T) {
	eachLineSink(t, func(t *testing.T, s pipeline.Sink, content func() string) {
		old, other := lane(t, s), lane(t, s)
		class(t, commit(t, old, batch("old")), pipeline.Fenced)
		second, _, err := s.Open(t.Context(), pipeline.LaneID{Pipeline: "p", Lane: 1, Lanes: 2})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(commit(t, second, batch("b")), commit(t, other, batch("a"))); err != nil || content() != "b\na\n" {
			t.Errorf("%v, %q", err, content())
		}
	})
}

// The engine closes a lane while it writes, when a session must end.
func TestLineLaneIsClosedWhileItWrites(t *testing.T) {
	eachLineSink(t, func(t *testing.T, s pipeline.Sink, content func() string) {
		l := lane(t, s)
		refused := make(chan error)
		go func() {
			for {
				if err := l.Write(t.Context(), batch("given up")); err != nil {
					refused <- err
					return
				}
			}
		}()
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-refused; !errors.Is(err, errClosed) {
			t.Error(err)
		}
		if content() != "" {
			t.Errorf("it wrote %q", content())
		}
	})
}

func TestLineSinkRefuses(t *testing.T) {
	eachLineSink(t, func(t *testing.T, s pipeline.Sink, content func() string) {
		l := lane(t, s)
		two := batch("two\nlines", "one")
		class(t, l.Check(&two.Records[0]), pipeline.Permanent)
		if err := l.Check(&two.Records[1]); err != nil {
			t.Errorf("a good record: %v", err)
		}
		dead := batch("dead")
		dead.Records[0].Fate = pipeline.DeadLettered
		class(t, commit(t, l, dead), pipeline.Permanent)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Commit(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("with a cancelled context: %v", err)
		}
		if content() != "" {
			t.Errorf("written: %q", content())
		}
	})
}

// brokenWriter fails after so many bytes, as a full disk does.
type brokenWriter struct {
	to   interface{ Write([]byte) (int, error) }
	room int
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	if len(p) <= w.room {
		w.room -= len(p)
		return w.to.Write(p)
	}
	n, err := w.to.Write(p[:w.room])
	w.room = 0
	return n, errors.Join(err, errors.New("no space left"))
}

func TestStdoutThatBreaks(t *testing.T) {
	l := lane(t, NewStdout(StdoutSettings{}, &brokenWriter{to: &bytes.Buffer{}, room: 3}))
	class(t, commit(t, l, batch("a", "b")), pipeline.Permanent)
	if err := l.Commit(t.Context(), nil); err == nil {
		t.Error("the lane lives after an error")
	}
}

func TestFileTakesBackACommitThatFails(t *testing.T) {
	path := writeFile(t, "before\n")
	s := NewFileSink(FileSinkSettings{Path: path})
	closeLater(t, s)
	if err := commit(t, lane(t, s), batch("first")); err != nil {
		t.Fatal(err)
	}
	l := lane(t, s)
	s.output.out = &brokenWriter{to: s.file, room: writeAhead + 10}
	err := commit(t, l, batch(strings.Repeat("x", writeAhead-1), "and", strings.Repeat("y", 1000)))
	class(t, err, pipeline.Retryable)
	if got := fileContent(t, path); got != "before\nfirst\n" {
		t.Errorf("after the failed commit the file holds %d bytes: %.40q", len(got), got)
	}
	s.output.out = s.file
	if err := commit(t, lane(t, s), batch("again")); err != nil || fileContent(t, path) != "before\nfirst\nagain\n" {
		t.Errorf("%v, %q", err, fileContent(t, path))
	}
}

func TestFileTakesBackNothingOfOthers(t *testing.T) {
	path := writeFile(t, "")
	s := NewFileSink(FileSinkSettings{Path: path})
	closeLater(t, s)
	l := lane(t, s)
	appendTo(t, path, "other\n")
	s.output.out = &brokenWriter{to: s.file, room: 3}
	class(t, commit(t, l, batch("mine")), pipeline.Retryable)
	if got := fileContent(t, path); got != "other\nmin" {
		t.Errorf("the file holds %q", got)
	}
	s.output.out = s.file
	if err := commit(t, lane(t, s), batch("mine")); err != nil || fileContent(t, path) != "other\nmin\nmine\n" {
		t.Errorf("%v, %q", err, fileContent(t, path))
	}
}

func TestFileEndsALineThatACrashCutShort(t *testing.T) {
	path := writeFile(t, "whole\ncut sho")
	s := NewFileSink(FileSinkSettings{Path: path})
	closeLater(t, s)
	if err := commit(t, lane(t, s), batch("cut short")); err != nil || fileContent(t, path) != "whole\ncut sho\ncut short\n" {
		t.Errorf("%v, %q", err, fileContent(t, path))
	}
}

func TestFileSinkThatCannotOpen(t *testing.T) {
	folder := t.TempDir()
	for _, path := range []string{folder, filepath.Join(folder, "missing", "file"), os.DevNull} {
		_, _, err := NewFileSink(FileSinkSettings{Path: path}).Open(t.Context(), pipeline.LaneID{})
		class(t, err, pipeline.Permanent)
	}
	closed := NewFileSink(FileSinkSettings{Path: filepath.Join(folder, "file")})
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := closed.Open(t.Context(), pipeline.LaneID{}); err == nil {
		t.Error("a closed sink opens a lane")
	}
}

func TestDropCountsWhatIsCommitted(t *testing.T) {
	s := NewDrop(DropSettings{})
	l := lane(t, s)
	b := batch("four", "filtered", "")
	b.Records[1].Fate = pipeline.Filtered
	b.Records[2].Key = []byte("key")
	if err := errors.Join(l.Check(&b.Records[0]), l.Write(t.Context(), b)); err != nil {
		t.Fatal(err)
	}
	if n, _ := s.Count(); n != 0 {
		t.Errorf("%d records are counted before the commit", n)
	}
	if err := l.Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(l.Write(t.Context(), batch("given up")), l.Close(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	if l.Write(t.Context(), batch("late")) == nil || l.Commit(t.Context(), nil) == nil {
		t.Error("a closed lane takes records")
	}
	l, next := lane(t, s), lane(t, s)
	class(t, l.Write(t.Context(), batch("late")), pipeline.Fenced)
	class(t, l.Commit(t.Context(), nil), pipeline.Fenced)
	if err := next.Commit(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if n, size := s.Count(); n != 2 || size != 7 {
		t.Errorf("counted %d records, %d bytes", n, size)
	}
}
