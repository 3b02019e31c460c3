package pipeline

import "sync"

// views is the memory of the views of one batch.
type views struct {
	scratch []member // the object that is being read
	members slab[member]
	objects slab[object]
	edits   slab[edit]
}

// viewPool holds views between the batches that borrow them: there are as many
// as batches are being transformed, not as many as are on their way.
var viewPool = sync.Pool{New: func() any { return new(views) }}

// borrowViews gives the batch's views, from the pool when it has none yet.
func (b *Batch) borrowViews() *views {
	if b.views == nil {
		b.views = viewPool.Get().(*views)
	}
	return b.views
}

// returnViews gives the views back. No value may use them any more.
func (b *Batch) returnViews() {
	if b.views == nil {
		return
	}
	if cap(b.views.scratch) > slabKeep {
		b.views.scratch = nil
	}
	b.views.members.reset()
	b.views.objects.reset()
	b.views.edits.reset()
	viewPool.Put(b.views)
	b.views = nil
}

// Seal encodes every value that was changed, and gives back the memory of the
// views: the batch is then its bytes alone. The writing format does it as the
// last of the transforms. Nodes taken before are no longer valid; a value that
// is touched again gets a new view.
func (b *Batch) Seal() {
	for i := range b.Records {
		v := &b.Records[i].Value
		v.Raw()
		v.root = nil
	}
	b.returnViews()
}

// view reads the fields of an object that is known to be valid JSON; nil: it is
// not an object.
func (vs *views) view(text []byte) *object {
	s := scanner{text: text, views: vs}
	o, _ := s.document()
	return o
}

// newObject makes a view of the fields that scratch holds.
func (vs *views) newObject(text []byte) *object {
	o := vs.objects.one()
	o.text = text
	o.members = append(vs.members.take(len(vs.scratch)), vs.scratch...)
	return o
}

// editOf gives the edit of a field, making it if need be.
func (vs *views) editOf(m *member) *edit {
	if m.edit == nil {
		m.edit = vs.edits.one()
	}
	return m.edit
}

const (
	slabChunk = 1024
	// slabKeep is how many elements a reset slab holds on to.
	slabKeep = 64 << 10
)

// slab hands out elements from a few large chunks, like Arena bytes.
type slab[T any] struct {
	chunks [][]T // those before used are full, or as good as
	used   int
}

// take gives an empty slice with room for n elements.
func (s *slab[T]) take(n int) []T {
	if s.used == 0 || cap(s.chunks[s.used-1])-len(s.chunks[s.used-1]) < n {
		s.next(n)
	}
	chunk := &s.chunks[s.used-1]
	start := len(*chunk)
	*chunk = (*chunk)[:start+n]
	return (*chunk)[start : start : start+n]
}

// one gives a zero element.
func (s *slab[T]) one() *T { return &s.take(1)[:1][0] }

// next makes a chunk with room for n elements the current one.
func (s *slab[T]) next(n int) {
	for s.used < len(s.chunks) {
		s.used++
		if cap(s.chunks[s.used-1]) >= n {
			return
		}
	}
	s.chunks = append(s.chunks, make([]T, 0, max(n, slabChunk)))
	s.used = len(s.chunks)
}

// reset takes back everything handed out, zeroed.
func (s *slab[T]) reset() {
	kept, size := s.chunks[:0], 0
	for _, chunk := range s.chunks {
		if size += cap(chunk); size <= slabKeep {
			clear(chunk)
			kept = append(kept, chunk[:0])
		}
	}
	clear(s.chunks[len(kept):])
	s.chunks, s.used = kept, 0
}
