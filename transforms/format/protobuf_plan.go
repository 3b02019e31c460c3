package format

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// protoMessage is a message type as a plan.
type protoMessage struct {
	name     string
	known    string       // Timestamp, for the well-known types that have a form of their own in JSON
	fields   []protoField // in the order of the file
	byNumber map[protowire.Number]int
	written  []int // fields in the order of their numbers
}

// protoField is a field of a message.
type protoField struct {
	number   protowire.Number
	name     string // as in the file
	jsonName string
	opening  []byte // "name": as it stands in JSON
	kind     protoreflect.Kind
	list     bool
	packed   bool
	isMap    bool // of key and value, the fields 1 and 2 of message
	always   bool // what is not there is its zero value
	required bool
	oneof    int           // 0: of none
	message  *protoMessage // of a message, or an entry of a map
	symbols  map[protoreflect.EnumNumber]string
	numbers  map[string]protoreflect.EnumNumber
}

// wireType gives the wire type of one value.
func (f *protoField) wireType() protowire.Type {
	switch f.kind {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	}
	return protowire.VarintType
}

// knownTypes have a form of their own in JSON (protobuf.dev, ProtoJSON).
var knownTypes = []string{"Timestamp", "Duration", "Struct", "Value", "ListValue", "DoubleValue", "FloatValue", "Int64Value", "UInt64Value",
	"Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue"}

// mainFile is the name of the file that the settings hold.
const mainFile = "schema.proto"

// compileProto compiles a file and those that it imports.
func compileProto(text string, imports map[string]string) (linker.File, error) {
	files := map[string]string{mainFile: text}
	maps.Copy(files, imports)
	compiler := protocompile.Compiler{MaxParallelism: 1,
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(files)})}
	compiled, err := compiler.Compile(context.Background(), mainFile)
	if err != nil {
		return nil, err
	}
	return compiled[0], nil
}

// findMessage finds a message by its name, with or without its package; an empty name is
// the first of the file.
func findMessage(file protoreflect.FileDescriptor, name string) (protoreflect.MessageDescriptor, error) {
	if name == "" {
		if file.Messages().Len() == 0 {
			return nil, errors.New("there is no message in it")
		}
		return file.Messages().Get(0), nil
	}
	within := strings.TrimPrefix(strings.TrimPrefix(name, string(file.Package())), ".")
	messages := file.Messages()
	var found protoreflect.MessageDescriptor
	for part := range strings.SplitSeq(within, ".") {
		if found = messages.ByName(protoreflect.Name(part)); found == nil {
			return nil, fmt.Errorf("there is no message %s in it", name)
		}
		messages = found.Messages()
	}
	return found, nil
}

// messageAt finds a message by where it stands: the third of the file, the first in that.
func messageAt(file protoreflect.FileDescriptor, index []int) (protoreflect.MessageDescriptor, error) {
	messages := file.Messages()
	var found protoreflect.MessageDescriptor
	for _, i := range index {
		if i < 0 || i >= messages.Len() {
			return nil, errors.New("it names a message that the schema has not")
		}
		found = messages.Get(i)
		messages = found.Messages()
	}
	if found == nil {
		return nil, errors.New("it names no message")
	}
	return found, nil
}

// indexOf gives where a message stands, as messageAt takes it.
func indexOf(d protoreflect.MessageDescriptor) []int {
	var index []int
	for at := protoreflect.Descriptor(d); ; at = at.Parent() {
		if _, ok := at.(protoreflect.MessageDescriptor); !ok {
			slices.Reverse(index)
			return index
		}
		index = append(index, at.Index())
	}
}

// protoPlanner makes plans of messages, each once.
type protoPlanner struct {
	made map[protoreflect.FullName]*protoMessage
	err  error
}

// planProto makes the plan of a message.
func planProto(d protoreflect.MessageDescriptor) (*protoMessage, error) {
	p := protoPlanner{made: map[protoreflect.FullName]*protoMessage{}}
	m := p.message(d)
	return m, p.err
}

func (p *protoPlanner) message(d protoreflect.MessageDescriptor) *protoMessage {
	if made, ok := p.made[d.FullName()]; ok {
		return made
	}
	m := &protoMessage{name: string(d.FullName()), byNumber: map[protowire.Number]int{}}
	if name, ok := strings.CutPrefix(m.name, "google.protobuf."); ok && slices.Contains(knownTypes, name) {
		m.known = name
	}
	p.made[d.FullName()] = m
	for i := range d.Fields().Len() {
		m.fields = append(m.fields, p.field(d.Fields().Get(i)))
		m.byNumber[m.fields[i].number] = i
		m.written = append(m.written, i)
	}
	slices.SortFunc(m.written, func(a, b int) int { return int(m.fields[a].number - m.fields[b].number) })
	return m
}

func (p *protoPlanner) field(d protoreflect.FieldDescriptor) protoField {
	f := protoField{number: d.Number(), name: string(d.Name()), jsonName: d.JSONName(), opening: []byte(`"` + string(d.Name()) + `":`),
		kind: d.Kind(), list: d.IsList(), packed: d.IsPacked(), isMap: d.IsMap(), required: d.Cardinality() == protoreflect.Required}
	f.always = !d.HasPresence()
	if oneof := d.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
		f.oneof = oneof.Index() + 1
	}
	switch d.Kind() {
	case protoreflect.GroupKind:
		p.err = fmt.Errorf("the field %s is a group, and those are not taken", d.FullName())
	case protoreflect.MessageKind:
		f.message = p.message(d.Message())
	case protoreflect.EnumKind:
		f.symbols, f.numbers = map[protoreflect.EnumNumber]string{}, map[string]protoreflect.EnumNumber{}
		for i := range d.Enum().Values().Len() {
			value := d.Enum().Values().Get(i)
			if _, alias := f.symbols[value.Number()]; !alias {
				f.symbols[value.Number()] = string(value.Name())
			}
			f.numbers[string(value.Name())] = value.Number()
		}
	}
	return f
}

// messageIndex takes the index of the message from Confluent's wire format: how many
// numbers, and the numbers, as zigzag varints; [0] is a single 0.
func messageIndex(raw []byte) (index []int, rest []byte, err error) {
	n, size := binary.Varint(raw)
	if size <= 0 || n < 0 || n > maxNested {
		return nil, nil, errCutShort
	}
	if raw = raw[size:]; n == 0 {
		return []int{0}, raw, nil
	}
	for range n {
		i, size := binary.Varint(raw)
		if size <= 0 {
			return nil, nil, errCutShort
		}
		index, raw = append(index, int(i)), raw[size:]
	}
	return index, raw, nil
}

func appendMessageIndex(dst []byte, index []int) []byte {
	if len(index) == 1 && index[0] == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(len(index)))
	for _, i := range index {
		dst = binary.AppendVarint(dst, int64(i))
	}
	return dst
}
