package pipeline

import (
	"bytes"
	"slices"
	"sync"
)

// object is the flat view of one JSON object: where its fields lie in its text,
// in order, and what was changed.
type object struct {
	text    []byte
	members []member
	changed bool // here or deeper: text is no longer what the object is
}

// member is one field. The name lies in text[name:nameEnd] without its quotes,
// the value in text[value:end].
type member struct {
	name, nameEnd, value, end uint32
	escaped                   bool // the name holds escapes
	apart                     bool // the field before it in the text was removed
	edit                      *edit
}

// edit holds what is different from the text in one field, or reached in it.
type edit struct {
	name []byte  // the new name as JSON; nil: as in the text
	raw  []byte  // the new value as JSON; nil: as in the text
	view *object // the view of the value, once it was entered
}

// clean says that the field is as it stands in the text.
func (m *member) clean() bool {
	e := m.edit
	return e == nil || e.name == nil && e.raw == nil && (e.view == nil || !e.view.changed)
}

// raw gives the text of the value, which is stale where a view of it was changed.
func (m *member) raw(text []byte) []byte {
	if m.edit != nil && m.edit.raw != nil {
		return m.edit.raw
	}
	return text[m.value:m.end]
}

// json gives the text of the value as it is now.
func (m *member) json(text []byte, a *Arena) []byte {
	if m.edit != nil && m.edit.view != nil && m.edit.view.changed {
		return m.edit.view.encode(a)
	}
	return m.raw(text)
}

// is says whether the field has this name.
func (m *member) is(name string, text []byte) bool {
	if m.edit != nil && m.edit.name != nil {
		return equalName(m.edit.name[1:len(m.edit.name)-1], name)
	}
	if m.escaped {
		return equalName(text[m.name:m.nameEnd], name)
	}
	return string(text[m.name:m.nameEnd]) == name
}

// decodedName gives the name of the field.
func (m *member) decodedName(text []byte) string {
	if m.edit != nil && m.edit.name != nil {
		return decodeString(m.edit.name)
	}
	return decodeString(text[m.name-1 : m.nameEnd+1])
}

func equalName(raw []byte, name string) bool {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw) == name
	}
	return string(appendDecoded(nil, raw)) == name
}

// find gives the index of the last field of that name, -1 where there is none.
func (o *object) find(name string) int {
	for i := len(o.members) - 1; i >= 0; i-- {
		m := &o.members[i]
		if m.edit == nil && !m.escaped && int(m.nameEnd-m.name) != len(name) {
			continue
		}
		if m.is(name, o.text) {
			return i
		}
	}
	return -1
}

// enter gives the view of the value of field i, nil where it is not an object.
func (o *object) enter(views *views, i int) *object {
	m := &o.members[i]
	if m.edit != nil && m.edit.view != nil {
		return m.edit.view
	}
	view := views.view(m.raw(o.text))
	if view != nil {
		views.editOf(m).view = view
	}
	return view
}

// set gives a field a new value, and returns its index.
func (o *object) set(b *Batch, name string, json []byte) int {
	views, i := b.borrowViews(), o.find(name)
	if i < 0 {
		i = len(o.members)
		if i == cap(o.members) {
			o.members = append(views.members.take(i+4), o.members...)
		}
		o.members = append(o.members, member{})
		views.editOf(&o.members[i]).name = encodeName(b, name)
	} else {
		i = o.removeOthers(name, i)
	}
	e := views.editOf(&o.members[i])
	e.raw, e.view = json, nil
	return i
}

// rename gives field i another name; others of its old and new name go.
func (o *object) rename(b *Batch, i int, name string) {
	i = o.removeOthers(o.members[i].decodedName(o.text), i)
	i = o.removeOthers(name, i)
	b.borrowViews().editOf(&o.members[i]).name = encodeName(b, name)
}

func encodeName(b *Batch, name string) []byte {
	return AppendString(b.Arena.Alloc(len(name)+2), name)
}

// removeOthers removes the fields of that name but field i, whose index after
// that it gives.
func (o *object) removeOthers(name string, keep int) int {
	at := keep
	for i := len(o.members) - 1; i >= 0; i-- {
		if i == keep || !o.members[i].is(name, o.text) {
			continue
		}
		o.removeAt(i)
		if i < keep {
			at--
		}
	}
	return at
}

func (o *object) removeAt(i int) {
	if i+1 < len(o.members) {
		o.members[i+1].apart = true
	}
	o.members = slices.Delete(o.members, i, i+1)
}

// encode gives the text of the object as it is now.
func (o *object) encode(a *Arena) []byte { return o.appendTo(a.Alloc(o.size())) }

// size is an upper bound of the encoded length.
func (o *object) size() int {
	n := len(o.text) + 2
	for i := range o.members {
		m := &o.members[i]
		if m.clean() {
			continue
		}
		n += len(m.edit.name) + len(m.edit.raw) + 2
		if m.edit.view != nil && m.edit.view.changed {
			n += m.edit.view.size()
		}
	}
	return n
}

// appendTo encodes the object. Fields that are as in the text and beside each
// other there are copied in one piece.
func (o *object) appendTo(dst []byte) []byte {
	dst = append(dst, '{')
	for i := 0; i < len(o.members); {
		if i > 0 {
			dst = append(dst, ',')
		}
		m := &o.members[i]
		i++
		if !m.clean() {
			dst = m.appendTo(dst, o.text)
			continue
		}
		end := m.end
		for ; i < len(o.members) && o.members[i].clean() && !o.members[i].apart; i++ {
			end = o.members[i].end
		}
		dst = append(dst, o.text[m.name-1:end]...)
	}
	return append(dst, '}')
}

// appendTo encodes a field that was changed.
func (m *member) appendTo(dst, text []byte) []byte {
	if m.edit.name != nil {
		dst = append(dst, m.edit.name...)
	} else {
		dst = append(dst, text[m.name-1:m.nameEnd+1]...)
	}
	dst = append(dst, ':')
	if m.edit.view != nil && m.edit.view.changed {
		return m.edit.view.appendTo(dst)
	}
	return append(dst, m.raw(text)...)
}

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
	clear(b.views.scratch[:cap(b.views.scratch)])
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
