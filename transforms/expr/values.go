package expr

import (
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"github.com/penstock-io/penstock/pipeline"
)

// nodeValue gives a node as a value of CEL. Objects stay as they are until a
// field is asked for.
func nodeValue(n pipeline.Node) ref.Val {
	switch n.Type() {
	case pipeline.JSONNull:
		return types.NullValue
	case pipeline.JSONBool:
		return types.Bool(n.Bool())
	case pipeline.JSONString:
		return types.String(n.Text())
	case pipeline.JSONArray:
		return newArray(n)
	case pipeline.JSONObject:
		return &object{node: n}
	}
	if i, ok := n.Int(); ok {
		return types.Int(i)
	}
	if u, ok := n.Uint(); ok {
		return types.Uint(u)
	}
	return types.Double(n.Float())
}

// array is a list that remembers its text.
type array struct {
	traits.Lister
	node pipeline.Node
}

func newArray(n pipeline.Node) *array {
	var elements []ref.Val
	for e := range n.Elements {
		elements = append(elements, nodeValue(e))
	}
	return &array{Lister: types.NewRefValList(types.DefaultTypeAdapter, elements), node: n}
}

// object is a map of CEL on top of a JSON object.
type object struct {
	node pipeline.Node
}

var _ traits.Mapper = (*object)(nil)

// Find implements traits.Mapper.
func (o *object) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(key), false
	}
	field, ok := o.node.Get(string(name))
	if !ok {
		return nil, false
	}
	return nodeValue(field), true
}

// Get implements traits.Indexer.
func (o *object) Get(key ref.Val) ref.Val {
	v, found := o.Find(key)
	if !found {
		return types.ValOrErr(v, "no such key: %v", key)
	}
	return v
}

// Contains implements traits.Container.
func (o *object) Contains(key ref.Val) ref.Val {
	v, found := o.Find(key)
	if v != nil && types.IsUnknownOrError(v) {
		return v
	}
	return types.Bool(found)
}

// Size implements traits.Sizer.
func (o *object) Size() ref.Val { return types.Int(o.node.Len()) }

// Iterator implements traits.Iterable: over the names.
func (o *object) Iterator() traits.Iterator {
	names := []string{}
	for name := range o.node.Fields {
		names = append(names, name)
	}
	return types.NewStringList(types.DefaultTypeAdapter, names).Iterator()
}

// Equal implements ref.Val.
func (o *object) Equal(other ref.Val) ref.Val { return o.decoded().Equal(other) }

// ConvertToNative implements ref.Val.
func (o *object) ConvertToNative(t reflect.Type) (any, error) { return o.decoded().ConvertToNative(t) }

// ConvertToType implements ref.Val.
func (o *object) ConvertToType(t ref.Type) ref.Val { return o.decoded().ConvertToType(t) }

// Type implements ref.Val.
func (o *object) Type() ref.Type { return types.MapType }

// Value implements ref.Val.
func (o *object) Value() any { return o.decoded().Value() }

// decoded gives the object as one of CEL's own maps.
func (o *object) decoded() traits.Mapper {
	fields := map[string]any{}
	for name, value := range o.node.Fields {
		fields[name] = nodeValue(value)
	}
	return types.NewStringInterfaceMap(types.DefaultTypeAdapter, fields)
}
