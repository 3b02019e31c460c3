package pipeline

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestArenaSlicesNeverOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a Arena
		for range 3 { // rounds of use
			var held, want [][]byte
			sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, 200<<10)), 0, 30).Draw(t, "sizes")
			for i, n := range sizes {
				b := a.Alloc(n)
				if len(b) != 0 || cap(b) != n {
					t.Fatalf("asked for %d bytes, got %d of %d", n, len(b), cap(b))
				}
				full := b[:0]
				full = append(full, bytes.Repeat([]byte{byte(i)}, n)...)
				if n > 0 && &full[0] != &b[:1][0] {
					t.Fatal("appending what there is room for allocates")
				}
				held, want = append(held, full), append(want, bytes.Clone(full))
			}
			for i := range held {
				if !bytes.Equal(held[i], want[i]) {
					t.Fatalf("slice %d of %d bytes was written over", i, sizes[i])
				}
			}
			a.Reset()
		}
	})
}

func TestArenaCopies(t *testing.T) {
	var a Arena
	from := []byte("abc")
	to := a.Copy(from)
	from[0] = 'x'
	again := to
	if again = append(again, 'd'); string(to) != "abc" || string(again) != "abcd" || string(a.Copy([]byte("z"))) != "z" {
		t.Errorf("%q, %q", to, again)
	}
	if empty := a.Copy(nil); len(empty) != 0 {
		t.Errorf("%q", empty)
	}
}

func TestArenaKeepsLittle(t *testing.T) {
	var a Arena
	for range 100 {
		a.Alloc(100 << 10)
	}
	a.Alloc(5 << 20)
	a.Reset()
	kept := 0
	for _, chunk := range a.chunks {
		kept += cap(chunk)
	}
	if kept > arenaKeep || kept == 0 {
		t.Errorf("%d bytes are kept", kept)
	}
	if allocs := testing.AllocsPerRun(10, func() {
		for range 5 {
			a.Alloc(100 << 10)
		}
		a.Reset()
	}); allocs > 0 {
		t.Errorf("%v allocations for what was kept", allocs)
	}
}

func TestBatchResetForgetsAll(t *testing.T) {
	b := &Batch{Shard: "s", After: Position{Incarnation: "x"}, Read: 3, Bytes: 4}
	for range 3 {
		r := b.Add()
		r.Key, r.Value, r.Fate = []byte("k"), RawValue([]byte("v")), Failed
	}
	memory := b.Records[:3]
	b.Reset()
	if b.Shard != "" || len(b.Records) > 0 || b.After != (Position{}) || b.Read != 0 || b.Bytes != 0 {
		t.Errorf("%+v", b)
	}
	for i := range memory {
		if memory[i].Key != nil || memory[i].Fate != Deliver {
			t.Errorf("record %d still holds what it held", i)
		}
	}
	if r := b.Add(); r != &memory[0] || r.Key != nil || r.Fate != Deliver || r.Failure != nil {
		t.Errorf("the memory is not used again, or not empty: %+v", r)
	}
}

func TestLiveAreThoseToDeliver(t *testing.T) {
	b := &Batch{}
	for fate := Deliver; fate <= SetAside; fate++ {
		for range 2 {
			r := b.Add()
			r.Fate, r.Offset.Minor = fate, uint64(len(b.Records))
		}
	}
	var live []uint64
	for r := range b.Live {
		live = append(live, r.Offset.Minor)
		r.Topic = "seen"
	}
	if !slices.Equal(live, []uint64{1, 2}) || b.Records[1].Topic != "seen" || b.Records[2].Topic != "" {
		t.Errorf("live are %v", live)
	}
	for r := range b.Live { // decided on the way
		r.Fate = Filtered
		break
	}
	if b.Records[0].Fate != Filtered || b.Records[1].Fate != Deliver {
		t.Errorf("fates %v, %v", b.Records[0].Fate, b.Records[1].Fate)
	}
}

func TestTransformOfAFailure(t *testing.T) {
	for stage, want := range map[string]string{"transforms[12].filter": "filter", "source.format": "", "sink.key": "", "sink": "", "": ""} {
		if got := (&Failure{Stage: stage}).Transform(); got != want {
			t.Errorf("%q: the transform is %q, want %q", stage, got, want)
		}
	}
}

func TestFailLeavesDecidedRecordsAlone(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	var r Record
	r.Fail(first)
	r.Fail(second)
	if r.Fate != Failed || r.Failure == nil || !errors.Is(r.Failure.Err, first) || r.Failure.Stage != "" {
		t.Errorf("%+v", r.Failure)
	}
	for _, fate := range []Fate{Filtered, Duplicate, Dropped, DeadLettered, SetAside} {
		r := Record{Fate: fate}
		if r.Fail(first); r.Fate != fate || r.Failure != nil {
			t.Errorf("fate %d became %d", fate, r.Fate)
		}
	}
}
