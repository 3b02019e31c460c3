package transforms

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// noon is the time of the tests' clock.
var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func byKey(_ *pipeline.Batch, r *pipeline.Record) ([]byte, bool, error) {
	return r.Key, len(r.Key) > 0, nil
}

func dedupe(maxKeys int) *Dedupe {
	s := DedupeSettings{Within: 10 * time.Minute, MaxKeys: maxKeys}
	return newDedupe(s, byKey, func() time.Time { return noon })
}

// sighting is a record to be: its key, and when it happened before noon.
type sighting struct {
	key string
	ago time.Duration
}

// batchOf makes a batch of a shard from its n-th record on.
func batchOf(shard string, n uint64, events ...sighting) *pipeline.Batch {
	b := &pipeline.Batch{Shard: shard, After: pipeline.Position{Incarnation: "life"}}
	for _, e := range events {
		r := b.Add()
		r.Key, r.Offset = []byte(e.key), pipeline.Offset{Minor: n}
		r.Time = noon.Add(-e.ago)
		b.After.Offset = r.Offset
		n++
	}
	return b
}

// verdictsOf applies d and gives the records' fates, a letter each: d is delivered,
// D a duplicate, F failed.
func verdictsOf(t *testing.T, d *Dedupe, b *pipeline.Batch) string {
	t.Helper()
	if err := d.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	out := ""
	for _, r := range b.Records {
		out += map[pipeline.Fate]string{pipeline.Deliver: "d", pipeline.Duplicate: "D", pipeline.Failed: "F", pipeline.Filtered: "f"}[r.Fate]
	}
	return out
}

func expectFates(t *testing.T, d *Dedupe, b *pipeline.Batch, want string) {
	t.Helper()
	if got := verdictsOf(t, d, b); got != want {
		t.Errorf("%s: fates are %s, want %s", b.Shard, got, want)
	}
}

func TestDedupeWithinItsTime(t *testing.T) {
	const within = 10 * time.Minute
	for _, c := range []struct {
		name string
		ago  []time.Duration
		want string
	}{
		{"at once", []time.Duration{0, 0, 0}, "dDD"},
		{"just within", []time.Duration{within, time.Millisecond}, "dD"},
		{"just past", []time.Duration{within, 0}, "dd"},
		{"the first counts, not the last", []time.Duration{within, within / 2, 0}, "dDd"},
		{"again", []time.Duration{2 * within, within + 1, within, 1}, "dDdD"},
		{"late arrival", []time.Duration{0, within - time.Millisecond}, "dD"},
		{"very late arrival", []time.Duration{0, within}, "dd"},
		{"the future is now", []time.Duration{-100 * within, 0, -50 * within}, "dDD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var events []sighting
			for _, ago := range c.ago {
				events = append(events, sighting{"k", ago})
			}
			expectFates(t, dedupe(100), batchOf("s", 1, events...), c.want)
		})
	}
}

func TestDedupeTimeOfRecordsWithoutOne(t *testing.T) {
	now := noon
	d := newDedupe(DedupeSettings{Within: time.Minute, MaxKeys: 9}, byKey, func() time.Time { return now })
	untimed := func(n uint64) *pipeline.Batch {
		b := batchOf("s", n, sighting{key: "k"})
		b.Records[0].Time = time.Time{}
		return b
	}
	expectFates(t, d, untimed(1), "d")
	expectFates(t, d, untimed(2), "D")
	now = now.Add(time.Minute)
	expectFates(t, d, untimed(3), "d")
}

func TestDedupeLeavesDecidedRecordsAlone(t *testing.T) {
	d := dedupe(100)
	b := batchOf("s", 1, sighting{key: "k"}, sighting{key: "k"})
	b.Records[0].Fate = pipeline.Filtered
	expectFates(t, d, b, "fd")
}

func TestDedupeWithoutAKey(t *testing.T) {
	cause := errors.New("no such field")
	d := dedupe(100)
	d.key = func(_ *pipeline.Batch, r *pipeline.Record) ([]byte, bool, error) {
		if string(r.Key) == "none" {
			return nil, false, cause
		}
		return r.Key, true, nil
	}
	b := batchOf("s", 1, sighting{key: "a"}, sighting{key: "none"}, sighting{key: ""}, sighting{key: "b"}, sighting{key: "a"})
	expectFates(t, d, b, "dFFdD")
	if !errors.Is(b.Records[1].Failure.Err, cause) || pipeline.ClassOf(b.Records[2].Failure.Err) != pipeline.Permanent {
		t.Errorf("failures are %v and %v", b.Records[1].Failure.Err, b.Records[2].Failure.Err)
	}
}

func TestDedupeComesAgain(t *testing.T) {
	d := dedupe(100)
	events := []sighting{{key: "a"}, {key: "b"}, {key: "a"}}
	expectFates(t, d, batchOf("s", 1, events...), "ddD")
	expectFates(t, d, batchOf("s", 4, sighting{key: "c"}, sighting{key: "b"}), "dD")
	d.GivenUp("s")
	// In other batches than before, and once more without being given up.
	expectFates(t, d, batchOf("s", 1, events[:1]...), "d")
	expectFates(t, d, batchOf("s", 2, append(events[1:], sighting{key: "c"}, sighting{key: "b"})...), "dDdD")
	expectFates(t, d, batchOf("s", 2, events[1:]...), "dD")
	if d.Keys() != 3 {
		t.Errorf("%d keys are remembered, want 3", d.Keys())
	}
	// The same place of another incarnation is another record.
	other := batchOf("s", 1, events[:1]...)
	other.After.Incarnation = "another"
	expectFates(t, d, other, "D")
}

func TestDedupeForgetsRefusedCarriers(t *testing.T) {
	reason := &pipeline.Failure{Stage: "sink", Err: errors.New("too large")}
	for _, c := range []struct {
		name    string
		fate    pipeline.Fate
		failure *pipeline.Failure
		want    string
	}{
		{"delivered", pipeline.Deliver, nil, "D"},
		{"filtered later", pipeline.Filtered, nil, "D"},
		{"dropped by a transform", pipeline.Dropped, nil, "D"},
		{"dropped by on_error", pipeline.Dropped, reason, "d"},
		{"dead-lettered", pipeline.DeadLettered, reason, "d"},
		{"failed", pipeline.Failed, reason, "d"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := dedupe(100)
			first, second := batchOf("s", 1, sighting{key: "a"}, sighting{key: "k"}, sighting{key: "b"}), batchOf("s", 4, sighting{key: "c"})
			expectFates(t, d, first, "ddd")
			expectFates(t, d, second, "d")
			first.Records[1].Fate, first.Records[1].Failure = c.fate, c.failure
			d.Settled(first)
			expectFates(t, d, batchOf("s", 5, sighting{key: "k"}), c.want)
			expectFates(t, d, batchOf("s", 6, sighting{key: "a"}, sighting{key: "b"}, sighting{key: "c"}), "DDD")
		})
	}
}

func TestDedupeFreesKeysThatWereGivenUp(t *testing.T) {
	d := dedupe(100)
	expectFates(t, d, batchOf("s", 1, sighting{key: "k"}), "d")
	expectFates(t, d, batchOf("other", 1, sighting{key: "k"}), "D")
	d.GivenUp("s")
	d.GivenUp("unknown")
	expectFates(t, d, batchOf("other", 2, sighting{key: "k"}), "d")
	expectFates(t, d, batchOf("s", 1, sighting{key: "k"}), "D")

	// A carrier that is passed without coming again is forgotten.
	expectFates(t, d, batchOf("s", 2, sighting{key: "x"}), "d")
	d.GivenUp("s")
	replay := batchOf("s", 2, sighting{key: "x"})
	replay.Records[0].Fail(errors.New("condemned"))
	expectFates(t, d, replay, "F")
	expectFates(t, d, batchOf("s", 3, sighting{key: "x"}), "d")
}

func TestDedupeKeepsWhatWasCommittedAfterAll(t *testing.T) {
	d := dedupe(100)
	expectFates(t, d, batchOf("s", 1, sighting{key: "a"}, sighting{key: "b"}), "dd")
	d.GivenUp("s") // but the commit, whose answer was lost, had gone through up to a
	expectFates(t, d, batchOf("s", 2, sighting{key: "b"}, sighting{key: "a"}), "dD")
	d.GivenUp("s")
	// A new incarnation: nothing of the old one comes again.
	fresh := batchOf("s", 1, sighting{key: "b"}, sighting{key: "a"})
	fresh.After.Incarnation = "another"
	expectFates(t, d, fresh, "dD")
}

func TestDedupeEvictsTheOldest(t *testing.T) {
	d := dedupe(3)
	for i, key := range []string{"a", "b", "c", "d"} {
		expectFates(t, d, batchOf("s", uint64(i+1), sighting{key: key}), "d")
	}
	if d.Keys() != 3 || d.Evicted() != 1 {
		t.Errorf("%d keys, %d evicted, want 3 and 1", d.Keys(), d.Evicted())
	}
	expectFates(t, d, batchOf("s", 5, sighting{key: "b"}, sighting{key: "c"}, sighting{key: "d"}, sighting{key: "a"}), "DDDd")
	// Settling a batch whose carriers are gone does no harm.
	d.Settled(batchOf("s", 1, sighting{key: "a"}))
}

func TestDedupeCountsNoEvictionOfExpiredKeys(t *testing.T) {
	d := dedupe(1000)
	for i := range 5000 {
		b := batchOf("s", uint64(i+1), sighting{strconv.Itoa(i), time.Duration(5000-i) * time.Second})
		expectFates(t, d, b, "d")
		d.Settled(b)
	}
	if d.Keys() != 600 || d.Evicted() != 0 {
		t.Errorf("one key a second for 10 minutes: %d remembered, want 600; %d evicted, want 0", d.Keys(), d.Evicted())
	}
}

// A shard that stands still does not let its keys expire, but they make room.
func TestDedupeCountsNoEvictionOfAShardThatStoodStill(t *testing.T) {
	d := dedupe(1000)
	for i := range 1600 {
		shard, ago := "still", time.Hour
		if i >= 600 {
			shard, ago = "live", 0
		}
		expectFates(t, d, batchOf(shard, uint64(i+1), sighting{strconv.Itoa(i), ago}), "d")
	}
	if d.Keys() != 1000 || d.Evicted() != 0 {
		t.Errorf("%d keys, %d evicted, want 1000 and 0", d.Keys(), d.Evicted())
	}
	expectFates(t, d, batchOf("live", 1601, sighting{key: "one more"}), "d")
	if d.Evicted() != 1 {
		t.Errorf("%d evicted, want 1", d.Evicted())
	}
}

func TestDedupeShardsThatAreFarApart(t *testing.T) {
	d := dedupe(100)
	expectFates(t, d, batchOf("live", 1, sighting{key: "a"}), "d")
	// A backlog of yesterday is deduplicated as it was yesterday.
	const day = 24 * time.Hour
	expectFates(t, d, batchOf("backlog", 1, sighting{"k", day}, sighting{"k", day - time.Minute}, sighting{"k", day - time.Hour}), "dDd")
	expectFates(t, d, batchOf("live", 2, sighting{key: "a"}, sighting{key: "k"}), "Dd")
}

func TestDedupeOfManyShardsAtOnce(t *testing.T) {
	d := dedupe(10_000)
	delivered := make([]int, 8)
	var work sync.WaitGroup
	for s := range delivered {
		work.Go(func() {
			shard := fmt.Sprint("shard", s)
			for n := uint64(1); n <= 200; n++ {
				b := batchOf(shard, n, sighting{key: fmt.Sprint(n)})
				if err := d.Apply(t.Context(), b); err != nil {
					t.Error(err)
				}
				for range b.Live {
					delivered[s]++
				}
				d.Settled(b)
			}
		})
	}
	work.Wait()
	total := 0
	for _, n := range delivered {
		total += n
	}
	if total != 200 || d.Keys() != 200 {
		t.Errorf("%d delivered, %d keys; want each of 200 keys once", total, d.Keys())
	}
}

func TestDedupeByExpression(t *testing.T) {
	d, err := NewDedupe(DedupeSettings{Key: "value.?id", Within: time.Hour, MaxKeys: 10}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b := batchOf("s", 1, sighting{}, sighting{}, sighting{}, sighting{}, sighting{})
	for i, text := range []string{`{"id":"a"}`, `{"id":"b"}`, `{"n":1,"id":"a"}`, `{}`, `{"id":null}`} {
		if b.Records[i].Value, err = b.Document([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	expectFates(t, d, b, "ddDFF")
	if _, err := NewDedupe(DedupeSettings{Key: "value."}, time.Now); err == nil {
		t.Error("a broken expression compiles")
	}
}

func TestDedupeSettingsAreChecked(t *testing.T) {
	if p := (DedupeSettings{MaxKeys: maxMaxKeys}).Validate(); len(p) != 0 {
		t.Errorf("the largest: %v", p)
	}
	if p := (DedupeSettings{MaxKeys: maxMaxKeys + 1}).Validate(); len(p) != 1 || p[0].Field != "max_keys" {
		t.Errorf("too large: %v", p)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// fill brings n new keys, from key number first on, and settles them.
func fill(tb testing.TB, d *Dedupe, b *pipeline.Batch, first, n int) {
	tb.Helper()
	for at := first; at < first+n; at += 1000 {
		b.Reset()
		b.Shard, b.After.Incarnation = "s", "life"
		for i := range 1000 {
			r := b.Add()
			r.Key = strconv.AppendInt(b.Arena.Alloc(20), int64(at+i), 10)
			r.Offset = pipeline.Offset{Minor: uint64(at + i + 1)}
			r.Time = noon
		}
		b.After.Offset = b.Records[999].Offset
		if err := d.Apply(tb.Context(), b); err != nil {
			tb.Fatal(err)
		}
		d.Settled(b)
	}
}

func TestDedupeMemory(t *testing.T) {
	before := heapInUse()
	d, b := dedupe(1_000_000), &pipeline.Batch{}
	fill(t, d, b, 0, 1000)
	if used := heapInUse() - before; used > 2<<20 {
		t.Errorf("1,000 keys take %d bytes", used)
	}
	fill(t, d, b, 1000, 1_999_000) // comes round once: the oldest million is evicted
	used := heapInUse() - before
	t.Logf("1,000,000 keys take %.1f MB", float64(used)/1e6)
	if used > 64e6 {
		t.Errorf("1,000,000 keys take %d bytes, want at most 64 MB", used)
	}
	if d.Keys() != 1_000_000 || d.Keys()+int(d.Evicted()) != 2_000_000 {
		t.Errorf("%d keys are remembered, %d evicted", d.Keys(), d.Evicted())
	}
	runtime.KeepAlive(b)
}

func BenchmarkDedupe(b *testing.B) {
	for _, bench := range []struct {
		name string
		max  int
		keys int // the key numbers come round: those that are still known are duplicates
	}{
		{"new/max=10000", 10_000, 1 << 40},
		{"new/max=1000000", 1_000_000, 1 << 40},
		{"duplicate/keys=1000", 1_000_000, 1000},
		{"duplicate/keys=1000000", 1_000_000, 1_000_000},
	} {
		b.Run(bench.name, func(b *testing.B) {
			d, batch := dedupe(bench.max), &pipeline.Batch{}
			next := min(bench.max, bench.keys)
			fill(b, d, batch, 0, next)
			batch.Reset()
			batch.Shard, batch.After.Incarnation = "s", "life"
			keys := make([][]byte, 1000)
			for i := range keys {
				keys[i] = make([]byte, 0, 20)
				batch.Add().Time = noon
			}
			offset := uint64(next)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += 1000 {
				b.StopTimer()
				for i := range batch.Records {
					r := &batch.Records[i]
					offset++
					r.Key = strconv.AppendInt(keys[i][:0], int64(next*7919%bench.keys), 10)
					r.Fate, r.Offset = pipeline.Deliver, pipeline.Offset{Minor: offset}
					next++
				}
				batch.After.Offset.Minor = offset
				b.StartTimer()
				if err := d.Apply(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				d.Settled(batch)
			}
		})
	}
}
