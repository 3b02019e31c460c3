package pipeline

import (
	"bytes"
	"slices"
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

// few is how many fields are compared one by one: more take a map.
const few = 32

// lastOf tells of the index of a field whether it is the last of its name.
func (o *object) lastOf() func(i int) bool {
	if len(o.members) <= few {
		return o.isLast
	}
	last := make(map[string]int, len(o.members))
	for i := range o.members {
		last[o.members[i].decodedName(o.text)] = i
	}
	return func(i int) bool { return last[o.members[i].decodedName(o.text)] == i }
}

func (o *object) isLast(i int) bool {
	m := &o.members[i]
	for j := i + 1; j < len(o.members); j++ {
		other := &o.members[j]
		if m.edit == nil && other.edit == nil && !m.escaped && !other.escaped {
			if string(o.text[m.name:m.nameEnd]) == string(o.text[other.name:other.nameEnd]) {
				return false
			}
		} else if m.decodedName(o.text) == other.decodedName(o.text) {
			return false
		}
	}
	return true
}

// count gives how many names the object has.
func (o *object) count() int {
	n, last := 0, o.lastOf()
	for i := range o.members {
		if last(i) {
			n++
		}
	}
	return n
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
