package transforms

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestKeySetIsASet compares a keySet with a slice, while it grows, shrinks and
// its numbers come round. Sums are chosen to collide in the index.
func TestKeySetIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{1, 2, 7, 100, 3000}).Draw(t, "limit")
		set := newKeySet(limit)
		others := uint64(60)
		if limit > 2 && rapid.Bool().Draw(t, "few bits of home") {
			set.width = 28
			set.number = 1<<set.width - 1
			others = 4 // 3 near ones of 5 each: as many as fit where no index is large enough to part them
		}
		type item struct {
			sum keySum
			n   uint64
		}
		var model []item
		add := func(sum keySum) {
			if slices.ContainsFunc(model, func(i item) bool { return i.sum == sum }) {
				return
			}
			for set.full() {
				if oldest := set.oldest(); oldest.state != forgotten {
					if oldest.sum != model[0].sum {
						t.Fatalf("the oldest is %v, want %v", oldest.sum, model[0].sum)
					}
					model = model[1:]
				}
				set.pop()
			}
			model = append(model, item{sum, set.add(carrier{sum: sum, state: known})})
		}
		sums := rapid.Custom(func(t *rapid.T) keySum {
			high := rapid.SampledFrom([]uint64{0, 1 << 62, ^uint64(3)}).Draw(t, "home")
			return keySum{high | rapid.Uint64Range(0, 2).Draw(t, "near"), rapid.Uint64Range(0, others).Draw(t, "other")}
		})
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) { add(sums.Draw(t, "sum")) },
			"add many": func(t *rapid.T) {
				from := rapid.Uint64().Draw(t, "from")
				for i := range rapid.Uint64Range(0, 4000).Draw(t, "many") {
					add(keySum{(from + i) * 0x9e3779b97f4a7c15, i})
				}
			},
			"remove": func(t *rapid.T) {
				if len(model) == 0 {
					return
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "which")
				set.remove(model[i].n)
				if set.at(model[i].n) != nil {
					t.Fatal("a removed carrier is still there")
				}
				model = slices.Delete(model, i, i+1)
			},
			"pop": func(*rapid.T) {
				if set.held() == 0 {
					return
				}
				if set.oldest().state != forgotten {
					model = model[1:]
				}
				set.pop()
			},
			"": func(t *rapid.T) {
				if set.live != len(model) || set.live > limit || set.held() > limit+limit/8+2 {
					t.Fatalf("%d live, %d held, want %d live, at most %d", set.live, set.held(), len(model), limit)
				}
				for _, i := range model {
					if c, n := set.find(i.sum); c == nil || n != i.n || c.sum != i.sum {
						t.Fatalf("%v is not found as %d: %v, %d", i.sum, i.n, c, n)
					}
				}
				if c, _ := set.find(keySum{1 << 62, 1 << 40}); c != nil {
					t.Fatal("what was never there is found")
				}
			},
		})
	})
}

func TestKeySetGivesMemoryBack(t *testing.T) {
	set := newKeySet(1_000_000)
	for i := range uint64(10 * chunkSize) {
		set.add(carrier{sum: keySum{i << 40, i}, state: known})
		if set.held() > 10 {
			set.pop()
		}
	}
	if len(set.chunks) > 2 || len(set.slots) != smallest {
		t.Errorf("10 keys hold %d chunks and %d slots", len(set.chunks), len(set.slots))
	}
}

// Sums that crowd around one home make the index grow before a slot is too far
// from its home to tell which that is.
func TestKeySetGrowsWhereItIsCrowded(t *testing.T) {
	set := newKeySet(1000)
	set.width, set.number = 28, 1<<28-1
	sum := func(i uint64) keySum { return keySum{i << 50, i} }
	var numbers []uint64
	for i := range uint64(64) {
		numbers = append(numbers, set.add(carrier{sum: sum(i), state: known}))
	}
	for i, n := range numbers {
		set.remove(n)
		for j := range numbers {
			if c, _ := set.find(sum(uint64(j))); (c != nil) != (j > i) {
				t.Fatalf("after %d removals, number %d: found %v", i+1, j, c != nil)
			}
		}
	}
	if set.live != 0 {
		t.Errorf("%d are left", set.live)
	}
}
