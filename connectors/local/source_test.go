package local

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// sources makes a source of each kind over the same 100 events.
var sources = map[string]func(t *testing.T, events []string) pipeline.Source{
	"generate": func(*testing.T, []string) pipeline.Source {
		return NewGenerate(GenerateSettings{Events: 100, Users: 7, Seed: 9})
	},
	"file": func(t *testing.T, events []string) pipeline.Source {
		return NewFileSource(FileSourceSettings{Path: writeFile(t, strings.Join(events, "\n")+"\n")})
	},
	"stdin": func(_ *testing.T, events []string) pipeline.Source {
		return NewStdin(StdinSettings{}, strings.NewReader(strings.Join(events, "\n")+"\n"))
	},
}

func shopEvents(n int) []string {
	shop := NewShop(9, 7)
	events := make([]string, n)
	for i := range events {
		event, _ := shop.Append(nil)
		events[i] = string(event)
	}
	return events
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.jsonl")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func eachSource(t *testing.T, test func(t *testing.T, s pipeline.Source, events []string)) {
	events := shopEvents(100)
	for name, make := range sources {
		t.Run(name, func(t *testing.T) { test(t, make(t, events), events) })
	}
}

func TestSourceReadsAllInOrderWithinLimits(t *testing.T) {
	eachSource(t, func(t *testing.T, s pipeline.Source, events []string) {
		r := open(t, s, pipeline.OpenRequest{First: true})
		if r.Start().Offset != (pipeline.Offset{}) || r.Start().Incarnation == "" {
			t.Errorf("starts at %+v", r.Start())
		}
		got, after := readAll(t, r, small)
		if !slices.Equal(got, events) {
			t.Errorf("read %d records, want the %d events", len(got), len(events))
		}
		tail, err := r.Tail(t.Context())
		if err != nil || tail.Offset != after[len(after)-1].Offset {
			t.Errorf("the tail is %v, %v; read up to %v", tail.Offset, err, after[len(after)-1].Offset)
		}
		if last := after[len(after)-1]; last.Evidence.Added != 100 {
			t.Errorf("%d records were counted", last.Evidence.Added)
		}
		if lag, err := r.Lag(t.Context()); err != nil || lag > 0 {
			t.Errorf("at the end the lag is %d, %v", lag, err)
		}
	})
}

func TestSourceContinuesAfterAnyPosition(t *testing.T) {
	eachSource(t, func(t *testing.T, s pipeline.Source, events []string) {
		r := open(t, s, pipeline.OpenRequest{})
		_, after := readAll(t, r, pipeline.Limit{Records: 1, Bytes: 1})
		for _, done := range []int{0, 1, 50, 99, 100} {
			from := r.Start()
			if done > 0 {
				from = after[done-1]
			}
			again := open(t, s, pipeline.OpenRequest{From: &from})
			if again.Start() != from {
				t.Errorf("opened at %+v, starts at %+v", from, again.Start())
			}
			if got, _ := readAll(t, again, large); !slices.Equal(got, events[done:]) {
				t.Errorf("opened after %d events: read %d", done, len(got))
			}
			if err := r.Rewind(from); err != nil {
				t.Fatal(err)
			}
			if got, last := readAll(t, r, large); !slices.Equal(got, events[done:]) ||
				done < 100 && last[len(last)-1] != after[99] {
				t.Errorf("rewound to %d events: read %d", done, len(got))
			}
		}
	})
}

func TestSourceContinuesAfterWhatWasSettled(t *testing.T) {
	eachSource(t, func(t *testing.T, s pipeline.Source, events []string) {
		r := open(t, s, pipeline.OpenRequest{KeepsPosition: true})
		b, err := read(t, r, pipeline.Limit{Records: 40, Bytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read(t, r, small); err != nil { // not settled: comes again
			t.Fatal(err)
		}
		if err := errors.Join(r.Settle(t.Context(), b.After), r.Settle(t.Context(), r.Start()), r.Close()); err != nil {
			t.Fatal(err)
		}
		again := open(t, s, pipeline.OpenRequest{KeepsPosition: true})
		if again.Start() != b.After {
			t.Errorf("starts at %+v, want %+v", again.Start(), b.After)
		}
		if got, _ := readAll(t, again, large); !slices.Equal(got, events[40:]) {
			t.Errorf("read %d records, want the 60 not settled", len(got))
		}
	})
}

func TestSourceSaysNoMoreAfterClose(t *testing.T) {
	eachSource(t, func(t *testing.T, s pipeline.Source, _ []string) {
		r := open(t, s, pipeline.OpenRequest{})
		if err := errors.Join(r.Wait(t.Context()), r.Close(), r.Close()); err != nil {
			t.Fatal(err)
		}
		_, tailErr := r.Tail(t.Context())
		_, lagErr := r.Lag(t.Context())
		for name, err := range map[string]error{
			"Wait": r.Wait(t.Context()), "Read": r.Read(t.Context(), &pipeline.Batch{}, large), "Rewind": r.Rewind(r.Start()),
			"Settle": r.Settle(t.Context(), r.Start()), "Tail": tailErr, "Lag": lagErr,
		} {
			if err == nil || errors.Is(err, pipeline.ErrEnd) {
				t.Errorf("%s after Close: %v", name, err)
			}
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if _, err := s.Open(t.Context(), pipeline.OpenRequest{}); err == nil {
			t.Error("a closed source opens a reader")
		}
	})
}

func TestSourceObeysItsContext(t *testing.T) {
	eachSource(t, func(t *testing.T, s pipeline.Source, _ []string) {
		r := open(t, s, pipeline.OpenRequest{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, tailErr := r.Tail(ctx)
		_, lagErr := r.Lag(ctx)
		for _, err := range []error{
			r.Wait(ctx), r.Read(ctx, &pipeline.Batch{}, large), r.Settle(ctx, r.Start()), tailErr, lagErr,
		} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("with a cancelled context: %v", err)
			}
		}
	})
}

// FuzzLines compares the scanner with bytes.Split, which needs all in memory.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nbb\r\n\n\xff\x00"), 3)
	f.Add(bytes.Repeat([]byte("0123456789\n0123"), 20), 11)
	f.Add(bytes.Repeat([]byte("x"), 100), 50)
	f.Fuzz(func(t *testing.T, input []byte, maxLine int) {
		maxLine = max(1, maxLine)
		want := bytes.Split(input, []byte{'\n'})
		if len(want[len(want)-1]) == 0 {
			want = want[:len(want)-1]
		}
		// The smallest buffer there is: many lines are longer.
		scanner, size := &lineScanner{in: bufio.NewReaderSize(bytes.NewReader(input), 16), max: maxLine}, 0
		for i, text := range want {
			l, err := scanner.peek()
			if err != nil {
				t.Fatal(err)
			}
			if l.cut != (len(text) > maxLine) || !bytes.Equal(l.text, text[:min(len(text), maxLine)]) {
				t.Fatalf("line %d of %d bytes: got %d bytes, cut %v", i, len(text), len(l.text), l.cut)
			}
			size += l.size
			if l.open != (size == len(input) && input[size-1] != '\n') {
				t.Fatalf("line %d: open %v", i, l.open)
			}
			scanner.advance()
		}
		if _, err := scanner.peek(); !errors.Is(err, io.EOF) || size != len(input) {
			t.Fatalf("at the end: %v, %d of %d bytes", err, size, len(input))
		}
	})
}

func TestLongLineIsAnErrorOfItsRecord(t *testing.T) {
	input := "short\n" + strings.Repeat("x", 200<<10) + "\nnext"
	for name, s := range map[string]pipeline.Source{
		"file":  NewFileSource(FileSourceSettings{Path: writeFile(t, input), MaxLine: 100 << 10}),
		"stdin": NewStdin(StdinSettings{MaxLine: 100 << 10}, strings.NewReader(input)),
	} {
		t.Run(name, func(t *testing.T) {
			var got []pipeline.Record
			r := open(t, s, pipeline.OpenRequest{})
			for len(got) < 3 {
				b, err := read(t, r, large)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, b.Records...)
			}
			long := got[1]
			if long.Fate != pipeline.Failed || len(long.Original) != 100<<10 {
				t.Errorf("fate %v, %d bytes kept", long.Fate, len(long.Original))
			}
			class(t, long.Failure.Err, pipeline.Permanent)
			if got[2].Fate != pipeline.Deliver || string(got[2].Value.Raw()) != "next" {
				t.Errorf("after it: %q", got[2].Value.Raw())
			}
		})
	}
}
