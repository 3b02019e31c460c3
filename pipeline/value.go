package pipeline

// Kind says what a Value is to the transforms.
type Kind uint8

// The kinds of a value.
const (
	Opaque   Kind = iota // bytes without fields
	Text                 // a valid UTF-8 string
	Document             // JSON; an object has fields
)

// Value is what a record carries.
type Value struct {
	raw  []byte
	kind Kind
}

// RawValue is a value of bytes that nothing has read yet. The bytes are not copied.
func RawValue(raw []byte) Value { return Value{raw: raw} }

// Kind says what the value is.
func (v *Value) Kind() Kind { return v.kind }

// Raw gives the bytes of a value that nothing has changed.
func (v *Value) Raw() []byte { return v.raw }
