package pipeline

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Kind says what a Value is to the transforms.
type Kind uint8

// The kinds of a value.
const (
	Opaque   Kind = iota // bytes without fields
	Text                 // a valid UTF-8 string
	Document             // JSON; an object has fields
)

// String gives the kind as people read it in errors.
func (k Kind) String() string { return [...]string{"bytes", "text", "a JSON document"}[k] }

// Value is what a record carries: bytes, and for a Document a view of the fields
// of its text.
//
// The view is flat and lazy. It holds where the fields of one object lie in the
// text; an object inside it gets a view of its own when it is reached. What
// nothing touched is written as the bytes that came: order, spaces, escapes and
// numbers (2^63, 12.50) stay. A document that nothing changed is the very slice
// it was made from.
//
// Where an object has a name twice, reading gives the last one, as encoding/json
// does. Set and Rename leave one, Delete none. Names are compared as decoded:
// "a" and "\u0061" are the same name.
//
// The text and the view belong to the batch (Batch.Arena, Batch.Seal). A copy of
// a Value shares its view: go on with one of the two. Only one goroutine may use
// a Value at a time, reading included.
type Value struct {
	raw   []byte
	kind  Kind
	batch *Batch
	root  *object // nil: no view yet, or not an object
}

// RawValue is a value of bytes that nothing has read yet. The bytes are not copied.
func RawValue(raw []byte) Value { return Value{raw: raw} }

// TextValue is a text. raw must be valid UTF-8; it is not copied.
func TextValue(raw []byte) Value { return Value{raw: raw, kind: Text} }

// Document makes a value of JSON text. It reads the text once, to the end: the
// text is valid as encoding/json.Valid judges it, valid UTF-8, nested at most
// 1,000 deep, and shorter than 4 GiB. Else the error is a *SyntaxError. The
// bytes are not copied, and must not change until b is settled or given up.
func (b *Batch) Document(raw []byte) (Value, error) {
	s := scanner{text: raw, views: b.borrowViews()}
	root, err := s.document()
	if err != nil {
		return Value{}, err
	}
	return Value{raw: raw, kind: Document, batch: b, root: root}, nil
}

// Object makes a document of the names and texts of pairs (name, text, name,
// text, …: what Redis holds in a stream entry), in this order. Each text becomes
// a JSON string. Names and texts must be valid UTF-8: JSON can hold no other
// bytes, and replacing them would lose data; the error says which pair it is.
func (b *Batch) Object(pairs []string) (Value, error) {
	size := 2
	for _, s := range pairs {
		size += len(s) + len(`"",`)
	}
	raw := append(b.Arena.Alloc(size), '{')
	for i := 0; i+1 < len(pairs); i += 2 {
		if err := checkPair(pairs[i], pairs[i+1], i/2); err != nil {
			return Value{}, err
		}
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = append(AppendString(raw, pairs[i]), ':')
		raw = AppendString(raw, pairs[i+1])
	}
	return Value{raw: append(raw, '}'), kind: Document, batch: b}, nil
}

// Kind says what the value is.
func (v *Value) Kind() Kind { return v.kind }

// Raw gives the bytes of the value: those it was made from, or, of a document
// that was changed, its new text, which is encoded once for all changes.
func (v *Value) Raw() []byte {
	if v.root != nil && v.root.changed {
		v.raw = v.root.encode(&v.batch.Arena)
		v.root = nil
	}
	return v.raw
}

// Root gives the whole of a document as a node; false: it is no document.
func (v *Value) Root() (Node, bool) {
	if v.kind != Document {
		return Node{}, false
	}
	return Node{batch: v.batch, raw: trimSpace(v.raw), view: v.object()}, true
}

// Get gives the node at a path of names; false: there is none.
func (v *Value) Get(path ...string) (Node, bool) {
	n, ok := v.Root()
	for _, name := range path {
		if !ok {
			break
		}
		n, ok = n.Get(name)
	}
	return n, ok
}

// Set puts a node with the given JSON text at a path, at the place of the field
// that is there, else behind the last one. Objects that the path needs are made.
// The empty path replaces the whole value, whatever kind it had. b is the batch
// that the value belongs to. json must be valid JSON; it is not copied, and must
// not change. The error says what on the way has no fields; nothing is changed
// then.
func (v *Value) Set(b *Batch, path []string, json []byte) error {
	if len(path) == 0 {
		*v = Value{raw: json, kind: Document, batch: b}
		return nil
	}
	if _, err := v.parent(path); err != nil {
		return err
	}
	v.mark(path).set(b, path[len(path)-1], json)
	return nil
}

// Delete takes away the field at a path, and says whether there was one.
func (v *Value) Delete(path []string) (bool, error) {
	o, err := v.parent(path)
	if err != nil || o == nil || o.find(path[len(path)-1]) < 0 {
		return false, err
	}
	v.mark(path).removeOthers(path[len(path)-1], -1)
	return true, nil
}

// Rename moves the field at the path from to the path to, and says whether there
// was one. It keeps its place when only its name changes, and replaces a field
// that is at to already. Errors as in Set; nothing is changed then.
func (v *Value) Rename(from, to []string) (bool, error) {
	source, err := v.parent(from)
	if err != nil || source == nil {
		return false, err
	}
	name, last := from[len(from)-1], to[len(to)-1]
	i := source.find(name)
	if i < 0 {
		return false, nil
	}
	target, err := v.parent(to)
	if err != nil {
		return false, err
	}
	v.mark(from)
	if target == source {
		source.rename(v.batch, i, last)
		return true, nil
	}
	json := source.members[i].json(source.text, &v.batch.Arena)
	source.removeOthers(name, -1)
	v.mark(to).set(v.batch, last, json)
	return true, nil
}

// object gives the view of the whole document, nil where that is not an object.
func (v *Value) object() *object {
	if v.root == nil && v.kind == Document {
		v.root = v.batch.borrowViews().view(v.raw)
	}
	return v.root
}

// parent gives the view of the object that the last name of path belongs to, nil
// where it does not exist. It is an error when something on the way is no object.
func (v *Value) parent(path []string) (*object, error) {
	o := v.object()
	if o == nil {
		return nil, v.noFields(nil)
	}
	for k, name := range path[:len(path)-1] {
		i := o.find(name)
		if i < 0 {
			return nil, nil
		}
		if o = o.enter(v.batch.borrowViews(), i); o == nil {
			return nil, v.noFields(path[:k+1])
		}
	}
	return o, nil
}

// mark gives the object that the last name of path belongs to, and says of all
// objects on the way that they are changed. It makes those that are missing.
func (v *Value) mark(path []string) *object {
	o, views := v.root, v.batch.borrowViews()
	o.changed = true
	for _, name := range path[:len(path)-1] {
		i := o.find(name)
		if i < 0 {
			i = o.set(v.batch, name, []byte("{}"))
		}
		o = o.enter(views, i)
		o.changed = true
	}
	return o
}

// noFields is the error for the node at path, which has no fields.
func (v *Value) noFields(path []string) error {
	what := strings.Join(append([]string{"value"}, path...), ".")
	if v.kind != Document {
		return &Error{Class: Permanent, What: what + " is " + v.kind.String() + " and has no fields",
			Do: "set source.format to json"}
	}
	n, _ := v.Get(path...)
	return &Error{Class: Permanent, What: what + " is " + n.Type().String() + " and has no fields",
		Do: "write to another path, or test it first in when:"}
}

func checkPair(name, text string, i int) error {
	switch {
	case !utf8.ValidString(name):
		return &Error{Class: Permanent, What: fmt.Sprintf("the name of field %d is not valid UTF-8", i+1),
			Do: "name another field in value_field, so that the others are not read as JSON"}
	case !utf8.ValidString(text):
		return &Error{Class: Permanent, What: fmt.Sprintf("the field %s is not valid UTF-8", name),
			Do: "name the field in value_field, to take its bytes as they are"}
	}
	return nil
}
