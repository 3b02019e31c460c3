package local

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

func TestGenerateKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewGenerate(GenerateSettings{Rate: 100, Users: 3})
		start := time.Now()
		r := open(t, s, pipeline.OpenRequest{})
		var last time.Time
		for n := 0; n < 200; {
			b, err := read(t, r, large)
			if err != nil {
				t.Fatal(err)
			}
			for _, rec := range b.Records {
				if due := start.Add(time.Duration(n) * 10 * time.Millisecond); !rec.Time.Equal(due) {
					t.Fatalf("event %d has time %v, want %v", n, rec.Time, due)
				}
				last = rec.Time
				n++
			}
		}
		if took := time.Since(start); took < 1990*time.Millisecond || took > 2*time.Second {
			t.Errorf("200 events at 100/s took %v", took)
		}

		// What was held up is there at once, with the times it was due.
		<-time.After(time.Second)
		if lag, err := r.Lag(t.Context()); lag < 99 || lag > 101 || err != nil {
			t.Errorf("after a second without reading the lag is %d, %v", lag, err)
		}
		if tail, err := r.Tail(t.Context()); tail.Offset.Minor < 299 || tail.Offset.Minor > 301 || err != nil {
			t.Errorf("the tail is at %v, %v", tail.Offset, err)
		}
		b, err := read(t, r, large)
		if err != nil || len(b.Records) < 99 || !b.Records[0].Time.Equal(last.Add(10*time.Millisecond)) {
			t.Errorf("%d records, %v", len(b.Records), err)
		}
	})
}

func TestGenerateWaitEndsWithItsContextAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, NewGenerate(GenerateSettings{Rate: 1e-6, Users: 1}), pipeline.OpenRequest{})
		if _, err := read(t, r, large); err != nil { // the first is due at once
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait gives %v", err)
		}
		ended := make(chan error)
		go func() { ended <- r.Wait(t.Context()) }()
		synctest.Wait()
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, errClosed) {
			t.Errorf("Wait gives %v", err)
		}
	})
}

func TestGenerateKeysEventsByUser(t *testing.T) {
	r := open(t, NewGenerate(GenerateSettings{Events: 3, Users: 2}), pipeline.OpenRequest{})
	b, err := read(t, r, large)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"u000001", "u000002", "u000001"} {
		if got := string(b.Records[i].Key); got != want {
			t.Errorf("event %d has key %s, want %s", i, got, want)
		}
	}
	if err := r.Wait(t.Context()); !errors.Is(err, pipeline.ErrEnd) {
		t.Errorf("after the last: %v", err)
	}
}

func TestGenerateWithoutEndOrRate(t *testing.T) {
	r := open(t, NewGenerate(GenerateSettings{Users: 2}), pipeline.OpenRequest{})
	b, err := read(t, r, small)
	if err != nil {
		t.Fatal(err)
	}
	if tail, err := r.Tail(t.Context()); tail != b.After || err != nil {
		t.Errorf("the tail is %v, %v; made up to %v", tail, err, b.After)
	}
	if lag, err := r.Lag(t.Context()); lag != 0 || err != nil {
		t.Errorf("lag is %d, %v", lag, err)
	}
}

func TestGenerateWithOtherSettingsIsAGap(t *testing.T) {
	r := open(t, NewGenerate(GenerateSettings{Users: 2, Seed: 1}), pipeline.OpenRequest{})
	from := r.Start()
	for _, other := range []GenerateSettings{{Users: 3, Seed: 1}, {Users: 2, Seed: 2}} {
		_, err := NewGenerate(other).Open(t.Context(), pipeline.OpenRequest{From: &from})
		class(t, err, pipeline.Gap)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	for _, c := range []struct {
		settings interface{ Validate() []pipeline.Problem }
		want     string
	}{
		{GenerateSettings{Users: 1}, ""},
		{GenerateSettings{Users: 0}, "users"},
		{GenerateSettings{Users: 1, Rate: -1}, "rate"},
		{StdinSettings{}, ""},
		{StdinSettings{MaxLine: -1}, "max_line"},
		{FileSourceSettings{MaxLine: 1 << 40}, "max_line"},
	} {
		problems := c.settings.Validate()
		if c.want == "" && len(problems) > 0 || c.want != "" && (len(problems) != 1 || problems[0].Field != c.want) {
			t.Errorf("%+v: %v, want one at %q", c.settings, problems, c.want)
		}
	}
}
