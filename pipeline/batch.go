package pipeline

import "slices"

// Batch is an ordered run of records of one shard, with the position after it.
// One goroutine holds a batch at a time. Batches are reused: nothing of one may
// be kept after it was settled or given up.
type Batch struct {
	Shard   string
	Records []Record
	// After is the position after the last record. A batch without records
	// still moves the position.
	After Position
	// Read is how many records came from the source, and Bytes how many bytes
	// their keys, values and headers hold together. Sources set both.
	Read  int
	Bytes int
	// Arena holds the bytes of the records. Sources and formats that make new
	// bytes take them from here, so that a batch costs few allocations.
	Arena Arena

	views  *views // the views of the documents; nil: none, or sealed
	hiding uint8  // how many Hides have had no Show yet
}

// Reset empties the batch for its next use and keeps its memory.
func (b *Batch) Reset() {
	clear(b.Records)
	b.Shard, b.Records, b.After = "", b.Records[:0], Position{}
	b.Read, b.Bytes, b.hiding = 0, 0, 0
	b.Arena.Reset()
	b.returnViews()
}

// Grow makes room for n more records.
func (b *Batch) Grow(n int) { b.Records = slices.Grow(b.Records, n) }

// Add appends an empty record and returns it. The pointer is valid until the
// next Add.
func (b *Batch) Add() *Record {
	b.Records = append(b.Records, Record{})
	return &b.Records[len(b.Records)-1]
}

// Live calls yield for each record that is still to be delivered, and not hidden, in
// order. yield must not add records.
func (b *Batch) Live(yield func(*Record) bool) {
	for i := range b.Records {
		if b.Records[i].live() && !yield(&b.Records[i]) {
			return
		}
	}
}

// live tells whether transforms are to see the record.
func (r *Record) live() bool { return r.Fate == Deliver && r.hidden == 0 }

// Hide takes live records for which hide is true out of Live, until Show. Transforms that
// are applied meanwhile leave them as they are. Hides may stand within each other; hide
// may give the records it is asked about a fate.
func (b *Batch) Hide(hide func(*Record) bool) {
	b.hiding++
	for i := range b.Records {
		if r := &b.Records[i]; r.live() && hide(r) && r.live() {
			r.hidden = b.hiding
		}
	}
}

// Show ends the newest Hide.
func (b *Batch) Show() {
	for i := range b.Records {
		if b.Records[i].hidden == b.hiding {
			b.Records[i].hidden = 0
		}
	}
	b.hiding--
}

// Expand makes several records of some: counts has, for each record that Live gives, how
// many stand in its place from then on; less than 2: itself. Those that are added follow
// it, and have its Offset, key, headers, time and topic, but no value yet. All records of an
// offset are numbered in their order (Record.Part). Pointers into b.Records are no longer
// valid.
func (b *Batch) Expand(counts []int) {
	more := 0
	for _, n := range counts {
		more += max(n-1, 0)
	}
	if more == 0 {
		return
	}
	from, live := len(b.Records)-1, len(counts)-1
	b.Records = slices.Grow(b.Records, more)[:len(b.Records)+more]
	for to := len(b.Records) - 1; to > from; from-- { // from behind: nothing is overwritten that is still to be moved
		r, n := b.Records[from], 1
		if r.live() {
			n = max(counts[live], 1)
			live--
		}
		for range n - 1 {
			b.Records[to] = r
			b.Records[to].Value = Value{}
			to--
		}
		b.Records[to] = r
		to--
	}
	b.numberParts()
}

// numberParts counts the records of each offset that has several.
func (b *Batch) numberParts() {
	for i := 1; i < len(b.Records); i++ {
		before, r := &b.Records[i-1], &b.Records[i]
		if r.Offset != before.Offset {
			continue
		}
		if i == 1 || b.Records[i-2].Offset != r.Offset {
			before.Part = 1
		}
		r.Part = before.Part + 1
	}
}
