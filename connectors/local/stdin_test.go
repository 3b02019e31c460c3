package local

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/pipeline"
)

func TestStdinGivesLinesAsTheyCome(t *testing.T) {
	in, out := io.Pipe()
	r := open(t, NewStdin(StdinSettings{}, in), pipeline.OpenRequest{})
	for _, text := range []string{"one", "two"} {
		go func() {
			if _, err := out.Write([]byte(text + "\n")); err != nil {
				t.Error(err)
			}
		}()
		b, err := read(t, r, large)
		if err != nil || len(b.Records) != 1 || string(b.Records[0].Value.Raw()) != text {
			t.Fatalf("%v, %+v, want %s", err, b, text)
		}
	}
	tail, err := r.Tail(t.Context())
	if err != nil || tail.Offset.Minor != math.MaxUint64 {
		t.Errorf("the tail of an open input is %v, %v", tail, err)
	}
	if lag, err := r.Lag(t.Context()); lag != -1 || err != nil {
		t.Errorf("lag is %d, %v", lag, err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Wait(t.Context()); !errors.Is(err, pipeline.ErrEnd) {
		t.Errorf("at the end: %v", err)
	}
}

func TestStdinWaitEndsWhileTheInputIsSilent(t *testing.T) {
	others := goleak.IgnoreCurrent()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), out.Close()); err != nil {
			t.Error(err)
		}
	})
	s := NewStdin(StdinSettings{}, in)
	r := open(t, s, pipeline.OpenRequest{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Wait(ctx) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	go func() { ended <- r.Wait(t.Context()) }()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, errClosed) {
		t.Errorf("closed: %v", err)
	}

	// The next reader of the same process gets what comes then.
	r = open(t, s, pipeline.OpenRequest{})
	if _, err := out.WriteString("late\n"); err != nil {
		t.Fatal(err)
	}
	if b, err := read(t, r, large); err != nil || string(b.Records[0].Value.Raw()) != "late" {
		t.Errorf("%v, %+v", err, b)
	}
	if err := errors.Join(r.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	goleak.VerifyNone(t, others) // the goroutine that reads the pipe
}

func TestStdinOfAnotherProcessStartsAtItsFirstLine(t *testing.T) {
	first := NewStdin(StdinSettings{}, strings.NewReader("a\nb\n"))
	_, after := readAll(t, open(t, first, pipeline.OpenRequest{}), large)
	second := NewStdin(StdinSettings{}, strings.NewReader("c\nd\n"))
	r := open(t, second, pipeline.OpenRequest{From: &after[0]})
	if r.Start().Incarnation == after[0].Incarnation {
		t.Error("two processes have the same incarnation")
	}
	if got, _ := readAll(t, r, large); !slices.Equal(got, []string{"c", "d"}) {
		t.Errorf("read %q", got)
	}
}

func TestStdinForgetsWhatIsSettled(t *testing.T) {
	s := NewStdin(StdinSettings{}, strings.NewReader("a\nb\nc\n"))
	r := open(t, s, pipeline.OpenRequest{})
	start := r.Start()
	_, after := readAll(t, r, pipeline.Limit{Records: 1, Bytes: 100})
	if err := errors.Join(r.Settle(t.Context(), after[1]), r.Settle(t.Context(), after[0])); err != nil {
		t.Fatal(err)
	}
	if len(s.lines) != 1 {
		t.Errorf("%d lines are kept, want the one that is not settled", len(s.lines))
	}
	class(t, r.Rewind(start), pipeline.Gap)
	_, err := s.Open(t.Context(), pipeline.OpenRequest{From: &start})
	class(t, err, pipeline.Gap)
	beyond := after[2]
	beyond.Offset.Minor++
	class(t, r.Settle(t.Context(), beyond), pipeline.Gap)
}

func TestStdinReadsLittleAhead(t *testing.T) {
	s := NewStdin(StdinSettings{}, endless{})
	r := open(t, s, pipeline.OpenRequest{})
	if err := r.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b, err := read(t, r, small); err != nil || len(b.Records) != 3 {
		t.Fatal(err)
	}
	size := 0
	for _, l := range s.lines {
		size += l.size
	}
	if size > 3*readAhead {
		t.Errorf("%d bytes were read ahead of 3 lines", size)
	}
}

// endless is an input of lines without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "line\n"[i%5]
	}
	return len(p) / 5 * 5, nil
}

func TestStdinThatBreaks(t *testing.T) {
	broken := errors.New("broken")
	in := io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(broken))
	r := open(t, NewStdin(StdinSettings{}, in), pipeline.OpenRequest{})
	if b, err := read(t, r, large); err != nil || len(b.Records) != 1 {
		t.Fatalf("%v, %+v", err, b)
	}
	err := r.Wait(t.Context())
	class(t, err, pipeline.Permanent)
	if !errors.Is(err, broken) {
		t.Errorf("the cause is lost: %v", err)
	}
}
