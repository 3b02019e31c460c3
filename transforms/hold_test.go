package transforms

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// took tells how long a transform holds a batch of n records.
func took(t *testing.T, transform pipeline.Transform, b *pipeline.Batch) time.Duration {
	t.Helper()
	began := time.Now()
	apply(t, transform, b)
	return time.Since(began)
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit, err := NewRateLimit(RateLimitSettings{Records: 10, Per: time.Second}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		of := func(n int) *pipeline.Batch { return batchOf("a", 1, make([]sighting, n)...) }
		for i, step := range []struct {
			records int
			want    time.Duration
		}{{10, 0}, {5, 500 * time.Millisecond}, {0, 0}, {35, 3500 * time.Millisecond}} {
			if got := took(t, limit, of(step.records)); got.Round(time.Millisecond) != step.want {
				t.Errorf("step %d: %d records took %v, want %v", i, step.records, got, step.want)
			}
		}
		<-time.After(time.Minute) // what was not used is not kept
		if got := took(t, limit, of(20)); got.Round(time.Millisecond) != time.Second {
			t.Errorf("after a pause 20 records took %v", got)
		}
		filtered := of(1000)
		for i := range filtered.Records {
			filtered.Records[i].Fate = pipeline.Filtered
		}
		if got := took(t, limit, filtered); got != 0 {
			t.Errorf("what goes no further took %v", got)
		}
		// What is given up is free again.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := limit.Apply(ctx, of(1000)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if got := took(t, limit, of(10)); got > 1100*time.Millisecond {
			t.Errorf("after a batch that was given up, 10 records took %v", got)
		}
	})
}

func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		delay, err := NewDelay(DelaySettings{For: time.Minute}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		for name, tc := range map[string]struct {
			ages []time.Duration
			want time.Duration
		}{
			"old":                  {[]time.Duration{time.Hour, time.Minute}, 0},
			"the newest counts":    {[]time.Duration{time.Hour, 10 * time.Second, 20 * time.Second}, 50 * time.Second},
			"of now":               {[]time.Duration{0}, time.Minute},
			"of the future":        {[]time.Duration{-time.Hour}, time.Minute},
			"nothing goes further": {nil, 0},
		} {
			b := &pipeline.Batch{}
			for _, age := range tc.ages {
				b.Add().Time = time.Now().Add(-age)
			}
			b.Add().Fate = pipeline.Filtered
			if got := took(t, delay, b); got != tc.want {
				t.Errorf("%s: it took %v, want %v", name, got, tc.want)
			}
		}
	})
}

// TestHoldsEndWithTheRun: both give up what they hold when Pause says so, and hold nothing
// where there is no waiting.
func TestHoldsEndWithTheRun(t *testing.T) {
	limit, err := NewRateLimit(RateLimitSettings{Records: 1, Per: time.Hour}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	delay, err := NewDelay(DelaySettings{For: time.Hour}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{pipeline.ErrStopping, nil} {
		ctx := pipeline.WithPause(t.Context(), func(context.Context, time.Duration) error { return want })
		for _, transform := range []pipeline.Transform{limit, delay} {
			b := &pipeline.Batch{}
			b.Add().Time = time.Now()
			b.Add().Time = time.Now()
			if err := transform.Apply(ctx, b); !errors.Is(err, want) {
				t.Errorf("%T: got %v, want %v", transform, err, want)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	headers := func(s HeadersSettings) func() (pipeline.Transform, error) { return made(NewHeaders, s) }
	runTests(t, []transformTest{
		{"drop", headers(HeadersSettings{Drop: []string{"a", "c"}}), buy, buy + ` headers=b:2`},
		{"drop all", headers(HeadersSettings{Drop: []string{"*"}}), buy, buy + ` headers=`},
		{"keep", headers(HeadersSettings{Keep: []string{"[b-z]", "x"}}), buy, buy + ` headers=b:2`},
		{"keep and drop", headers(HeadersSettings{Keep: []string{"?"}, Drop: []string{"b"}}), buy, buy + ` headers=a:1 a:3`},
		{"keep nothing", headers(HeadersSettings{Keep: []string{"aa"}}), buy, buy + ` headers=`},
		{"set", headers(HeadersSettings{Set: expressions{"a": "value.user_id", `q"`: "value.price", "b": "null"}}), buy, buy + ` headers=a:u1 q":2`},
		{"set what was dropped", headers(HeadersSettings{Drop: []string{"*"}, Set: expressions{"b": "'x'"}}), buy, buy + ` headers=b:x`},
		{"set what is missing", headers(HeadersSettings{Set: expressions{"c": "value.none"}}), buy, buy + ` failed: value.none is missing; ask first with has(value.none), or read it with value.?none`},
	})
	for name, s := range map[string]HeadersSettings{"nothing": {}, "a pattern": {Keep: []string{"[a"}}} {
		if _, err := NewHeaders(s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
