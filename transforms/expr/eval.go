package expr

import (
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/penstock-io/penstock/pipeline"
)

// Bool evaluates a condition for a record of b. The error is about the record:
// something is missing, has the wrong type, or the result is not true or false.
func (p *Program) Bool(b *pipeline.Batch, r *pipeline.Record) (bool, error) {
	if p.path != nil {
		node, err := p.lookUp(r)
		if err != nil {
			return false, err
		}
		if node.Type() != pipeline.JSONBool {
			return false, notBool(p.field.Path + " is " + node.Type().String())
		}
		return node.Bool(), nil
	}
	result, err := p.eval(b, r)
	if err != nil {
		return false, err
	}
	yes, ok := result.(types.Bool)
	if !ok {
		return false, notBool("the condition gives a " + result.Type().TypeName())
	}
	return bool(yes), nil
}

func notBool(what string) error {
	return &pipeline.Error{Class: pipeline.Permanent, What: what + ", not true or false",
		Do: "compare it with something, as in value.action == \"buy\""}
}

// JSON evaluates an expression for a record of b, and gives the result as JSON
// text, which lives in b or in the record's value; false: an optional without a
// value. Nodes of the document are taken over as they are; bytes become base64,
// timestamps RFC 3339, durations like "1.5s". Errors as in Bool.
func (p *Program) JSON(b *pipeline.Batch, r *pipeline.Record) ([]byte, bool, error) {
	if p.path != nil {
		node, err := p.lookUp(r)
		if err != nil {
			return nil, false, err
		}
		return node.Raw(), true, nil
	}
	result, err := p.eval(b, r)
	if err != nil {
		return nil, false, err
	}
	if result, ok := unwrap(result); ok {
		text, err := appendJSON(b.Arena.Alloc(64), result)
		return text, true, err
	}
	return nil, false, nil
}

// Bytes evaluates an expression for a record of b, and gives the result as the
// bytes of a key, a header or a topic: a string without quotes, a number, bool
// or timestamp as it is written in JSON, bytes as they are. False: null, or an
// optional without a value. A list or map is an error; errors as in Bool. The
// bytes live in b.
func (p *Program) Bytes(b *pipeline.Batch, r *pipeline.Record) ([]byte, bool, error) {
	if p.path != nil {
		node, err := p.lookUp(r)
		if err != nil {
			return nil, false, err
		}
		return p.nodeBytes(b, &node)
	}
	result, err := p.eval(b, r)
	if err != nil {
		return nil, false, err
	}
	result, ok := unwrap(result)
	if !ok || result == types.NullValue {
		return nil, false, nil
	}
	text, err := appendPlain(b.Arena.Alloc(64), result)
	return text, true, err
}

func (p *Program) nodeBytes(b *pipeline.Batch, n *pipeline.Node) ([]byte, bool, error) {
	switch n.Type() {
	case pipeline.JSONNull:
		return nil, false, nil
	case pipeline.JSONString:
		return n.AppendText(b.Arena.Alloc(len(n.Raw()))), true, nil
	case pipeline.JSONArray, pipeline.JSONObject:
		return nil, false, notPlain(p.field.Path + " is " + n.Type().String())
	default:
		return n.Raw(), true, nil
	}
}

// lookUp gives the node that the expression names.
func (p *Program) lookUp(r *pipeline.Record) (pipeline.Node, error) {
	if r.Value.Kind() != pipeline.Document {
		return pipeline.Node{}, p.noFields(r)
	}
	node, ok := r.Value.Get(p.path...)
	if !ok {
		return node, p.missing(r, p.path[len(p.path)-1])
	}
	return node, nil
}

func (p *Program) eval(b *pipeline.Batch, r *pipeline.Record) (ref.Val, error) {
	if p.field != nil && r.Value.Kind() != pipeline.Document {
		return nil, p.noFields(r)
	}
	e := p.spare.Get().(*evaluation)
	e.batch, e.record = b, r
	result, _, err := p.program.Eval(e)
	*e = evaluation{}
	p.spare.Put(e)
	if err != nil {
		return nil, p.fault(r, err)
	}
	return result, nil
}

// evaluation gives an expression what its names stand for, when it asks.
type evaluation struct {
	batch  *pipeline.Batch
	record *pipeline.Record
}

// Parent implements interpreter.Activation: there is none.
func (*evaluation) Parent() interpreter.Activation { return nil }

// ResolveName implements interpreter.Activation.
func (e *evaluation) ResolveName(name string) (any, bool) {
	r := e.record
	switch name {
	case "value":
		return recordValue(&r.Value), true
	case "key":
		if r.Key == nil {
			return types.NullValue, true
		}
		return textOrBytes(r.Key), true
	case "headers":
		headers := make(map[string]any, len(r.Headers))
		for _, h := range r.Headers {
			headers[h.Key] = textOrBytes(h.Value)
		}
		return types.NewStringInterfaceMap(types.DefaultTypeAdapter, headers), true
	case "topic":
		return types.String(r.Topic), true
	case "time":
		return types.Timestamp{Time: r.Time}, true
	case "origin":
		return types.NewStringStringMap(types.DefaultTypeAdapter,
			map[string]string{"shard": e.batch.Shard, "offset": r.Offset.String()}), true
	}
	return nil, false
}

func recordValue(v *pipeline.Value) ref.Val {
	if root, ok := v.Root(); ok {
		return nodeValue(root)
	}
	if v.Kind() == pipeline.Text {
		return types.String(v.Raw())
	}
	return types.Bytes(v.Raw())
}

func textOrBytes(b []byte) ref.Val {
	if utf8.Valid(b) {
		return types.String(b)
	}
	return types.Bytes(b)
}
