package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock-io/penstock/pipeline"
)

// numbered makes a batch of n records.
func numbered(n int) *pipeline.Batch {
	b := &pipeline.Batch{Shard: "a", Read: n}
	for i := range n {
		r := b.Add()
		r.Offset.Minor, r.Key = uint64(i)+1, []byte{byte('a' + i)}
		r.Value = pipeline.RawValue([]byte{byte('A' + i)})
	}
	return b
}

// live gives the keys of the records that Live gives.
func live(b *pipeline.Batch) string {
	var all strings.Builder
	for r := range b.Live {
		all.Write(r.Key)
	}
	return all.String()
}

// keys hides the records of some keys.
func keys(which string) func(*pipeline.Record) bool {
	return func(r *pipeline.Record) bool { return strings.Contains(which, string(r.Key)) }
}

func TestHide(t *testing.T) {
	b := numbered(5)
	b.Records[3].Fate = pipeline.Filtered // d
	steps := []struct {
		do   func()
		live string
	}{
		{func() {}, "abce"},
		{func() { b.Hide(keys("ad")) }, "bce"},
		{func() { b.Hide(keys("abd")) }, "ce"},
		{func() { b.Records[2].Fate = pipeline.Dropped }, "e"},
		{b.Show, "be"},
		{b.Show, "abe"},
		{func() {
			b.Hide(func(r *pipeline.Record) bool { r.Fail(fmt.Errorf("not asked for")); return true })
		}, ""},
		{b.Show, ""},
	}
	for i, step := range steps {
		if step.do(); live(b) != step.live {
			t.Errorf("step %d: %q is live, want %q", i, live(b), step.live)
		}
	}
	b.Hide(keys("a"))
	b.Reset()
	b.Add().Key = []byte("x")
	if live(b) != "x" {
		t.Errorf("after Reset %q is live", live(b))
	}
}

func TestExpand(t *testing.T) {
	parts := func(b *pipeline.Batch) string {
		var all []string
		for i := range b.Records {
			r := &b.Records[i]
			all = append(all, fmt.Sprintf("%s%s%d", r.Key, r.Value.Raw(), r.Part))
		}
		return strings.Join(all, " ")
	}
	b := numbered(4)
	b.Records[1].Fate = pipeline.Dropped
	b.Expand([]int{1, 0, 1})
	if got, want := parts(b), "aA0 bB0 cC0 dD0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.Expand([]int{2, 3, 0})
	if got, want := parts(b), "aA1 a2 bB0 cC1 c2 c3 dD0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.Hide(keys("a"))
	b.Records[3].Value = pipeline.RawValue([]byte("x"))
	b.Expand([]int{1, 2, 1, 1})
	b.Show()
	if got, want := parts(b), "aA1 a2 bB0 cx1 c2 c3 c4 dD0"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestExpandKeepsTheOrder: whatever is hidden or decided, every record stays, in order, as
// often as it is to be there.
func TestExpandKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := numbered(rapid.IntRange(1, 20).Draw(t, "records"))
		for i := range b.Records {
			b.Records[i].Fate = rapid.SampledFrom([]pipeline.Fate{pipeline.Deliver, pipeline.Deliver, pipeline.Filtered, pipeline.Failed}).Draw(t, "fate")
		}
		b.Hide(func(*pipeline.Record) bool { return rapid.IntRange(0, 3).Draw(t, "hidden") == 0 })
		counts, all := []int{}, map[string]int{}
		for i := range b.Records {
			all[string(b.Records[i].Key)] = 1
		}
		for r := range b.Live {
			n := rapid.IntRange(0, 4).Draw(t, "count")
			counts, all[string(r.Key)] = append(counts, n), max(n, 1)
		}
		b.Expand(counts)
		got := map[string]int{}
		for i := range b.Records {
			r := &b.Records[i]
			got[string(r.Key)]++
			if n := uint32(got[string(r.Key)]); all[string(r.Key)] > 1 && r.Part != n || all[string(r.Key)] == 1 && r.Part != 0 {
				t.Fatalf("record %d of %s is part %d", n, r.Key, r.Part)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(all) {
			t.Fatalf("%v, want %v", got, all)
		}
		if !slices.IsSortedFunc(b.Records, func(x, y pipeline.Record) int { return x.Offset.Compare(y.Offset) }) {
			t.Fatal("the order has changed")
		}
	})
}
