package pipeline

import (
	"slices"
	"strconv"
)

// JSONType is the type of a node.
type JSONType uint8

// The types of JSON.
const (
	JSONNull JSONType = iota
	JSONBool
	JSONNumber
	JSONString
	JSONArray
	JSONObject
)

// String gives the type as people read it in errors.
func (t JSONType) String() string {
	return [...]string{"null", "a bool", "a number", "a string", "an array", "an object"}[t]
}

// Node is one JSON value in a document, or the whole of it. It is valid as long
// as the document's batch is neither sealed nor reset, and sees later changes
// inside the object it stands for.
type Node struct {
	batch *Batch
	raw   []byte  // the text; stale where view was changed
	view  *object // of an object, once it was entered
}

// Type gives the type of the node.
func (n *Node) Type() JSONType {
	switch n.raw[0] {
	case '{':
		return JSONObject
	case '[':
		return JSONArray
	case '"':
		return JSONString
	case 't', 'f':
		return JSONBool
	case 'n':
		return JSONNull
	default:
		return JSONNumber
	}
}

// Raw gives the JSON text of the node, byte for byte as it came where nothing
// was changed. It must not be written to.
func (n *Node) Raw() []byte {
	if n.view != nil && n.view.changed {
		return n.view.encode(&n.batch.Arena)
	}
	return slices.Clip(n.raw)
}

// Get gives the field of that name; false: there is none, or the node is not an
// object.
func (n *Node) Get(name string) (Node, bool) {
	if !n.enter() {
		return Node{}, false
	}
	i := n.view.find(name)
	if i < 0 {
		return Node{}, false
	}
	return n.field(i), true
}

// Fields calls yield for each field of an object, in order. Of those that have
// the same name it gives the last.
func (n *Node) Fields(yield func(name string, value Node) bool) {
	if !n.enter() {
		return
	}
	last := n.view.lastOf()
	for i := range n.view.members {
		if last(i) && !yield(n.view.members[i].decodedName(n.view.text), n.field(i)) {
			return
		}
	}
}

// Elements calls yield for each element of an array, in order.
func (n *Node) Elements(yield func(Node) bool) {
	if n.Type() != JSONArray {
		return
	}
	s := scanner{text: n.raw}
	i := s.space(1)
	for n.raw[i] != ']' {
		end := s.value(i, 1)
		if !yield(Node{batch: n.batch, raw: n.raw[i:end]}) {
			return
		}
		if i = s.space(end); n.raw[i] == ',' {
			i = s.space(i + 1)
		}
	}
}

// Len gives how many fields or elements the node has, 0 for all other types.
func (n *Node) Len() int {
	if n.enter() {
		return n.view.count()
	}
	count := 0
	for range n.Elements {
		count++
	}
	return count
}

// Bool says whether the node is true.
func (n *Node) Bool() bool { return n.raw[0] == 't' }

// Text gives the decoded text of a string, the JSON text of everything else.
// Escapes that stand for half of a surrogate pair become U+FFFD.
func (n *Node) Text() string {
	if n.Type() == JSONString {
		return decodeString(n.raw)
	}
	return string(n.Raw())
}

// AppendText appends what Text gives.
func (n *Node) AppendText(dst []byte) []byte {
	if n.Type() == JSONString {
		return appendDecoded(dst, n.raw[1:len(n.raw)-1])
	}
	return append(dst, n.Raw()...)
}

// Int gives a number that is written without fraction and exponent, exactly;
// false: it is written in another way, or does not fit.
func (n *Node) Int() (int64, bool) {
	if !integral(n.raw) {
		return 0, false
	}
	i, err := strconv.ParseInt(string(n.raw), 10, 64)
	return i, err == nil
}

// Uint is Int for numbers up to 2^64-1.
func (n *Node) Uint() (uint64, bool) {
	if !integral(n.raw) {
		return 0, false
	}
	u, err := strconv.ParseUint(string(n.raw), 10, 64)
	return u, err == nil
}

// integral says that a number is written without fraction and exponent.
func integral(raw []byte) bool {
	for _, c := range raw {
		if !isDigit(c) && c != '-' {
			return false
		}
	}
	return true
}

// Float gives a number as the nearest float64: infinity where it is too large.
func (n *Node) Float() float64 {
	f, _ := strconv.ParseFloat(string(n.raw), 64)
	return f
}

// Any gives the node as Go values: nil, bool, string, []any, map[string]any, and
// for a number int64 where Int gives it, else uint64 where Uint gives it, else
// float64. So 2 and 2^63 stay exact, 2.0 and 1e3 are float64, and 12.50 is 12.5.
func (n *Node) Any() any {
	switch n.Type() {
	case JSONNull:
		return nil
	case JSONBool:
		return n.Bool()
	case JSONString:
		return n.Text()
	case JSONArray:
		list := []any{}
		for e := range n.Elements {
			list = append(list, e.Any())
		}
		return list
	case JSONObject:
		fields := map[string]any{}
		for name, value := range n.Fields {
			fields[name] = value.Any()
		}
		return fields
	}
	if i, ok := n.Int(); ok {
		return i
	}
	if u, ok := n.Uint(); ok {
		return u
	}
	return n.Float()
}

// enter makes the view of an object; false: the node is not one.
func (n *Node) enter() bool {
	if n.view == nil && n.Type() == JSONObject {
		n.view = n.batch.borrowViews().view(n.raw)
	}
	return n.view != nil
}

// field gives the value of field i. The view of an object is kept in the field.
func (n *Node) field(i int) Node {
	m := &n.view.members[i]
	f := Node{batch: n.batch, raw: m.raw(n.view.text)}
	if f.raw[0] == '{' {
		f.view = n.view.enter(n.batch.borrowViews(), i)
	}
	return f
}
