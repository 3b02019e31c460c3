package pipeline

const (
	arenaChunk = 64 << 10
	// arenaKeep is how much memory a reset arena holds on to.
	arenaKeep = 1 << 20
)

// Arena hands out byte slices from a few large chunks. What it hands out is
// valid until Reset. The zero Arena is ready. Not safe for concurrent use.
type Arena struct {
	chunks [][]byte // all but the last are full
	used   int      // chunks in use
}

// Alloc returns a zero-length slice with room for n bytes that no other slice
// of the arena overlaps: appending up to n bytes to it does not allocate.
func (a *Arena) Alloc(n int) []byte {
	if a.used > 0 {
		last := a.chunks[a.used-1]
		if cap(last)-len(last) >= n {
			start := len(last)
			a.chunks[a.used-1] = last[:start+n]
			return last[start : start : start+n]
		}
	}
	chunk := a.next(n)
	a.chunks[a.used-1] = chunk[:n]
	return chunk[0:0:n]
}

// Copy returns a copy of b that lives in the arena.
func (a *Arena) Copy(b []byte) []byte { return append(a.Alloc(len(b)), b...) }

// next makes a chunk with room for n bytes the current one and returns it.
func (a *Arena) next(n int) []byte {
	for a.used < len(a.chunks) {
		a.used++
		if chunk := a.chunks[a.used-1]; cap(chunk) >= n {
			return chunk[:0]
		}
	}
	a.chunks = append(a.chunks, make([]byte, 0, max(n, arenaChunk)))
	a.used = len(a.chunks)
	return a.chunks[a.used-1]
}

// Size is how many bytes were handed out since the last Reset.
func (a *Arena) Size() int {
	n := 0
	for _, chunk := range a.chunks[:a.used] {
		n += len(chunk)
	}
	return n
}

// Reset takes back everything handed out, and lets go of memory beyond 1 MiB.
func (a *Arena) Reset() {
	kept, size := a.chunks[:0], 0
	for _, chunk := range a.chunks {
		if size+cap(chunk) <= arenaKeep {
			size += cap(chunk)
			kept = append(kept, chunk[:0])
		}
	}
	clear(a.chunks[len(kept):])
	a.chunks, a.used = kept, 0
}
