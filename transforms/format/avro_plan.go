package format

import (
	"fmt"
	"strings"

	"github.com/twmb/avro"
)

// avroType is a type of an Avro schema as a plan: what a value is read and written by,
// with its names resolved.
type avroType struct {
	kind     string // "record", "long"
	name     string // of a record, enum or fixed
	decimal  bool   // bytes or fixed that are a decimal
	scale    int    // of a decimal
	size     int    // of a fixed
	fields   []avroField
	symbols  []string
	element  *avroType // of an array or map
	branches []*avroType
}

// avroField is a field of a record.
type avroField struct {
	name    string
	opening []byte // "name": as it stands in JSON
	typ     *avroType
	absent  []byte // what is written where it is missing; nil: it may not be
}

// planAvro makes the plan of a schema.
func planAvro(schema *avro.Schema) (*avroType, error) {
	p := avroPlanner{named: map[string]*avroType{}}
	return p.plan(schema.Root(), "")
}

type avroPlanner struct{ named map[string]*avroType }

func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" || strings.Contains(n.Name, ".") {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

// plan makes the plan of a type; what it names is looked for in space, and everywhere.
func (p *avroPlanner) plan(n *avro.SchemaNode, space string) (*avroType, error) {
	for _, name := range []string{space + "." + n.Type, n.Type} {
		if known, ok := p.named[name]; ok {
			return known, nil
		}
	}
	t := &avroType{kind: n.Type, size: n.Size, symbols: n.Symbols}
	t.decimal, t.scale = n.LogicalType == "decimal" && (n.Type == "bytes" || n.Type == "fixed"), n.Scale
	var err error
	switch n.Type {
	case "record", "error":
		t.kind, t.name = "record", fullName(n)
		p.named[t.name] = t
		err = p.record(t, n)
	case "enum", "fixed":
		t.name = fullName(n)
		p.named[t.name] = t
	case "array":
		t.element, err = p.plan(n.Items, space)
	case "map":
		t.element, err = p.plan(n.Values, space)
	case "union":
		for i := range n.Branches {
			branch, err := p.plan(&n.Branches[i], space)
			if err != nil {
				return nil, err
			}
			t.branches = append(t.branches, branch)
		}
	case "null", "boolean", "int", "long", "float", "double", "string", "bytes":
	default:
		err = fmt.Errorf("the schema names %s, which it does not hold", n.Type)
	}
	return t, err
}

func (p *avroPlanner) record(t *avroType, n *avro.SchemaNode) error {
	space := t.name[:max(strings.LastIndexByte(t.name, '.'), 0)]
	for i := range n.Fields {
		f := &n.Fields[i]
		typ, err := p.plan(&f.Type, space)
		if err != nil {
			return err
		}
		field := avroField{name: f.Name, typ: typ, opening: []byte(`"` + f.Name + `":`)}
		if field.absent, err = absentField(f, typ); err != nil {
			return fmt.Errorf("the default of %s: %w", f.Name, err)
		}
		t.fields = append(t.fields, field)
	}
	return nil
}

// absentField encodes what stands for a field that is missing: its default, or null
// where it may be null.
func absentField(f *avro.SchemaField, typ *avroType) ([]byte, error) {
	if f.HasDefault {
		schema, err := f.Type.Schema()
		if err != nil {
			return nil, err
		}
		encoded, err := schema.Encode(f.Default)
		if encoded == nil {
			encoded = []byte{}
		}
		return encoded, err
	}
	if typ.kind == "null" {
		return []byte{}, nil
	}
	for i, branch := range typ.branches {
		if branch.kind == "null" {
			return appendZigzag(nil, int64(i)), nil
		}
	}
	return nil, nil
}
