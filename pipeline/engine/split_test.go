package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// threefold makes three records of each third one, after what before does.
func threefold(before func(ctx context.Context, b *pipeline.Batch) error) apply {
	return func(ctx context.Context, b *pipeline.Batch) error {
		if err := before(ctx, b); err != nil {
			return err
		}
		var counts []int
		var values []pipeline.Value
		for r := range b.Live {
			parts := partsOf(string(r.Value.Raw()), r.Offset.Minor)
			for _, part := range parts {
				values = append(values, pipeline.RawValue([]byte(part)))
			}
			counts = append(counts, len(parts))
		}
		b.Expand(counts)
		next := 0
		for r := range b.Live {
			r.Value = values[next]
			next++
		}
		return nil
	}
}

func partsOf(value string, n uint64) []string {
	if n%3 > 0 {
		return []string{value}
	}
	return []string{value + ".1", value + ".2", value + ".3"}
}

func allParts(values []string) []string {
	var all []string
	for i, value := range values {
		all = append(all, partsOf(value, uint64(i)+1)...)
	}
	return all
}

// TestSplitRecordsLoseNothing: stages and lanes fail before and after records became
// several, and each arrives once, in order.
func TestSplitRecordsLoseNothing(t *testing.T) {
	eachSeed(t, func(r *rig, d *dice) {
		r.cfg.At = func(engine.Point) { r.reconciles() }
		r.sink.write = func(context.Context, *pipeline.Batch) error { return d.fails(25, "writing") }
		r.sink.commit = func(context.Context, *entry) (bool, error) {
			if err := d.fails(6, "committing"); err != nil {
				return d.one(2), err // committed, or not
			}
			return true, nil
		}
		r.cfg.Stages = []engine.Stage{{Name: "first", Transform: chaos(d)}, {Name: "split", Transform: threefold(chaos(d))}, {Name: "last", Transform: chaos(d)}}
		for _, shard := range []string{"a", "b"} {
			r.source.fill(shard, 200)
			r.source.seal(shard)
		}
		if err := r.run(); err != nil {
			r.Error(err)
		}
		for _, shard := range []string{"a", "b"} {
			if got, want := r.sink.got(shard), allParts(r.source.all(shard)); !slices.Equal(got, want) {
				r.Errorf("shard %s: delivered %d of %d records: %s", shard, len(got), len(want), difference(got, want))
			}
		}
	})
}

// TestSplitIsTriedAgain: of a stage that refuses some records for a while, and makes
// several of them then, only those are applied again, and all stand in their places.
func TestSplitIsTriedAgain(t *testing.T) {
	bubble(t, func(r *rig) {
		tries := map[uint64]int{}
		moody := threefold(func(_ context.Context, b *pipeline.Batch) error {
			for rec := range b.Live {
				n := rec.Offset.Minor
				switch tries[n]++; {
				case n == 4:
					rec.Fail(&pipeline.Error{Class: pipeline.Permanent, What: "never"})
				case n >= 6 && tries[n] < 3, n == 9:
					rec.Fail(errors.New("not yet"))
				}
			}
			return nil
		})
		var attempts []string
		look := apply(func(_ context.Context, b *pipeline.Batch) error {
			for i := range b.Records {
				if f := b.Records[i].Failure; f != nil {
					attempts = append(attempts, fmt.Sprint(b.Records[i].Offset.Minor, " ", f.Attempts))
				}
			}
			return nil
		})
		r.cfg.Stages = []engine.Stage{
			{Name: "moody", Transform: moody, OnError: engine.Drop, Retry: engine.Retry{Attempts: 3, Backoff: time.Millisecond}},
			{Name: "look", Transform: look},
		}
		r.source.fill("a", 10)
		r.source.seal("a")
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		all := r.source.all("a")
		want := slices.Concat(allParts(all)[:5], allParts(all)[6:11], partsOf(all[7], 8), partsOf(all[9], 10))
		if got := r.sink.got("a"); !slices.Equal(got, want) {
			r.Errorf("delivered %q\nwant %q", got, want)
		}
		if want := []string{"4 0", "9 3"}; !slices.Equal(attempts, want) {
			r.Errorf("refused %q, want %q", attempts, want)
		}
		for n, tried := range tries {
			if want := map[bool]int{true: 3, false: 1}[n >= 6]; tried != want {
				r.Errorf("record %d was tried %d times, want %d", n, tried, want)
			}
		}
		if n := r.reconciles(); n.Read != 10 || n.Split != 4 || n.Written != 12 || n.Dropped != 2 {
			r.Errorf("counted %+v", n)
		}
	})
}
