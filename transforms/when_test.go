package transforms

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// witness notes which records it was given, and drops them.
type witness struct {
	seen  []uint64
	calls []string
	err   error
}

func (w *witness) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		w.seen = append(w.seen, r.Offset.Minor)
		r.Fate = pipeline.Dropped
	}
	return w.err
}

type orderedWitness struct{ witness }

func (w *orderedWitness) Settled(b *pipeline.Batch) { w.calls = append(w.calls, "settled "+b.Shard) }
func (w *orderedWitness) GivenUp(shard string)      { w.calls = append(w.calls, "given up "+shard) }

func fatesOf(b *pipeline.Batch) []pipeline.Fate {
	fates := make([]pipeline.Fate, len(b.Records))
	for i := range b.Records {
		fates[i] = b.Records[i].Fate
	}
	return fates
}

func TestWhenHidesTheOthers(t *testing.T) {
	inner := &witness{}
	when, err := NewWhen("value.n > 1", inner)
	if err != nil {
		t.Fatal(err)
	}
	if _, ordered := when.(pipeline.Ordered); ordered {
		t.Error("ordered, though the inner transform is not")
	}
	for range 2 {
		b := batch(t, `{"n":1}`, `{"n":2}`, `{"m":3}`, `{"n":0}`, `{"n":5}`, `{"n":6}`)
		b.Records[5].Fate = pipeline.Duplicate
		apply(t, when, b)
		want := []pipeline.Fate{pipeline.Deliver, pipeline.Dropped, pipeline.Failed, pipeline.Deliver, pipeline.Dropped, pipeline.Duplicate}
		if got := fatesOf(b); !slices.Equal(got, want) {
			t.Errorf("fates %v, want %v", got, want)
		}
		if got := b.Records[2].Failure.Err.Error(); !strings.HasPrefix(got, "value.n is missing") {
			t.Errorf("got %s", got)
		}
	}
	if !slices.Equal(inner.seen, []uint64{2, 5, 2, 5}) {
		t.Errorf("the inner transform saw %v", inner.seen)
	}
}

func TestWhenOfAnOrderedTransformIsOrdered(t *testing.T) {
	inner := &orderedWitness{}
	when, err := NewWhen("value.n > 1", inner)
	if err != nil {
		t.Fatal(err)
	}
	ordered, ok := when.(pipeline.Ordered)
	if !ok {
		t.Fatal("not ordered")
	}
	b := batch(t, `{"n":1}`, `{"n":2}`)
	apply(t, ordered, b)
	ordered.GivenUp("s")
	ordered.Settled(b)
	if !slices.Equal(inner.seen, []uint64{2}) || !slices.Equal(inner.calls, []string{"given up s", "settled s"}) {
		t.Errorf("saw %v, calls %v", inner.seen, inner.calls)
	}
}

func TestWhenShowsTheOthersAfterAFailure(t *testing.T) {
	broken := errors.New("broken")
	when, err := NewWhen("value.n > 1", &witness{err: broken})
	if err != nil {
		t.Fatal(err)
	}
	b := batch(t, `{"n":1}`)
	if err := when.Apply(t.Context(), b); !errors.Is(err, broken) || b.Records[0].Fate != pipeline.Deliver {
		t.Errorf("got %v, %v", err, b.Records[0].Fate)
	}
}
