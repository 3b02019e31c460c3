// Package expr compiles and evaluates the expressions of a pipeline file: CEL
// (the Common Expression Language) over key, value, headers, topic, time and
// origin of one record.
//
// # What the names are
//
//	value    a document's fields, list, string, number, bool or null; a string
//	         with format text; bytes with format bytes
//	key      a string where it is valid UTF-8, else bytes; null: there is none
//	headers  a map of them, the last of a name; values like key
//	topic    the destination, a string; empty: the sink's own
//	time     a timestamp
//	origin   origin.shard and origin.offset ("1767225600123-0"), strings
//
// Only the fields that an expression touches are decoded.
//
// # Numbers
//
// A number of a document that is written without fraction and exponent is an
// int, or a uint where it is above 2^63-1 and at most 2^64-1; every other one is
// a double. Comparisons work across the three. So do + - * / between an int or
// uint and a double, which give a double; as in CEL, two ints give an int, and
// 7 / 2 is 3: write double(value.total) / 2 to keep the fraction. An expression
// that is only a path (value.item.price) takes the node over byte for byte,
// 12.50 and numbers beyond 64 bits too.
//
// # What is missing
//
// To read a field that is not there is an error of the record, which names the
// field. has(value.price) asks first; value.?price.orValue(0) reads what may be
// missing. An expression whose result is an optional without a value has none.
package expr

import (
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/ext"

	"github.com/penstock-io/penstock/pipeline"
)

// Want says what an expression is for.
type Want uint8

// The kinds of results.
const (
	Anything  Want = iota // a value of any type
	Condition             // true or false
)

// costLimit bounds what one evaluation of an expression with loops may cost, in
// CEL's units (about a step each): well below a second. Without a loop, an
// expression ends by itself.
const costLimit = 5_000_000

// environment is what all expressions are compiled in. It is made when the first
// one is: a process without expressions does not wait for it.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable("value", cel.DynType),
		cel.Variable("key", cel.DynType),
		cel.Variable("headers", cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable("topic", cel.StringType),
		cel.Variable("time", cel.TimestampType),
		cel.Variable("origin", cel.MapType(cel.StringType, cel.StringType)),
		cel.OptionalTypes(),
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		ext.Strings(),
	)
})

// Program is a compiled expression. It is safe for concurrent use.
type Program struct {
	program cel.Program
	source  *ast.SourceInfo
	path    []string // not nil: the expression is just this path in the value
	reads   []read   // the fixed paths that the expression reads
	field   *Field   // the first field of the value that it looks at
	spare   sync.Pool
}

// Field is a field of the value that an expression looks at.
type Field struct {
	Path      string // as in the expression: value.action
	Line, Col int    // where it begins; both count from 1, Col in characters
}

// Compile compiles an expression. The error is Mistakes.
func Compile(src pipeline.Expression, want Want) (*Program, error) {
	env, err := environment()
	if err != nil {
		return nil, Mistakes{{Line: 1, Col: 1, What: "CEL does not start: " + err.Error()}}
	}
	checked, issues := env.Compile(string(src))
	if issues.Err() != nil {
		return nil, mistakesOf(string(src), issues.Errors())
	}
	if t := checked.OutputType(); want == Condition && !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, Mistakes{{Line: 1, Col: 1, What: "this gives " + typeName(t) + ", and a condition has to be true or false",
			Do: "compare it with something, as in value.action == \"buy\""}}
	}
	tree := checked.NativeRep()
	p := &Program{source: tree.SourceInfo()}
	p.spare.New = func() any { return new(evaluation) }
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(promote)}
	if p.inspect(tree.Expr()) {
		options = append(options, cel.CostLimit(costLimit))
	}
	if p.program, err = env.Program(checked, options...); err != nil {
		return nil, Mistakes{{Line: 1, Col: 1, What: "this cannot be evaluated: " + err.Error()}}
	}
	return p, nil
}

// Field gives the first field of the value that the expression looks at; false:
// it looks at none, and works with values that have no fields.
func (p *Program) Field() (Field, bool) {
	if p.field == nil {
		return Field{}, false
	}
	return *p.field, true
}

// read is a fixed path that an expression reads without asking first.
type read struct {
	root  string
	names []string
}

// inspect finds the paths of the expression, and says whether it has a loop.
func (p *Program) inspect(root ast.Expr) (loops bool) {
	if r, ok := pathOf(root); ok && r.root == "value" && len(r.names) > 0 && !isTest(root) {
		p.path = r.names
	}
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.ComprehensionKind {
			loops = true
		}
		r, ok := pathOf(e)
		if !ok || len(r.names) == 0 {
			return
		}
		if r.root == "value" {
			p.looksAt(e, r)
		}
		if !isTest(e) {
			p.reads = append(p.reads, r)
		}
	}))
	return loops
}

// looksAt remembers the field if it is the first one.
func (p *Program) looksAt(e ast.Expr, r read) {
	for e.Kind() != ast.IdentKind {
		e, _, _ = step(e)
	}
	at := p.source.GetStartLocation(e.ID())
	field := Field{Path: r.String(), Line: at.Line(), Col: at.Column() + 1}
	if first := p.field; first == nil || field.Line < first.Line || field.Line == first.Line && field.Col < first.Col {
		p.field = &field
	}
}

// pathOf gives the path that an expression is, if it is nothing else.
func pathOf(e ast.Expr) (read, bool) {
	if e.Kind() == ast.IdentKind {
		return read{root: e.AsIdent()}, true
	}
	inner, name, ok := step(e)
	if !ok {
		return read{}, false
	}
	r, ok := pathOf(inner)
	r.names = append(r.names, name)
	return r, ok
}

// step takes the last name off a path: a.b, a["b"], a.?b or has(a.b).
func step(e ast.Expr) (inner ast.Expr, name string, ok bool) {
	switch e.Kind() {
	case ast.SelectKind:
		return e.AsSelect().Operand(), e.AsSelect().FieldName(), true
	case ast.CallKind:
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.Index, operators.OptIndex, operators.OptSelect:
			if index := call.Args()[1]; index.Kind() == ast.LiteralKind {
				name, ok = index.AsLiteral().Value().(string)
				return call.Args()[0], name, ok
			}
		}
	}
	return nil, "", false
}

// isTest says whether a path somewhere asks before it reads.
func isTest(e ast.Expr) bool {
	for e.Kind() != ast.IdentKind {
		if e.Kind() == ast.SelectKind && e.AsSelect().IsTestOnly() {
			return true
		}
		if e.Kind() == ast.CallKind && e.AsCall().FunctionName() != operators.Index {
			return true
		}
		e, _, _ = step(e)
	}
	return false
}
