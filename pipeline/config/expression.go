package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/penstock-io/penstock/pipeline"
)

// expression keeps the text of an expression as it stands: nothing is expanded,
// and what YAML takes for a number or a word is an expression too.
func (d *decoder) expression(n *yaml.Node, v reflect.Value, f field, path string) {
	text := d.src.expressionText(n)
	switch {
	case n.Kind != yaml.ScalarNode && n.Style&yaml.FlowStyle == 0, n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		d.want(n, f, path)
		return
	case n.Kind != yaml.ScalarNode, n.Style&yaml.TaggedStyle != 0:
		d.mark(path)
		d.src.mangledAt(n.Line, n.Column, f.name, text, mangles(text))
		return
	}
	v.SetString(n.Value)
	d.expressions = append(d.expressions, expression{node: n, text: n.Value, name: f.name, path: path, condition: f.condition})
}

// expressionText gives what was meant as an expression at a node, from the text of
// the file.
func (s *source) expressionText(n *yaml.Node) string {
	before := strings.TrimRight(string(s.line(n.Line)[:min(max(n.Column-1, 0), len(s.line(n.Line)))]), " \t")
	flow := strings.ContainsAny(before, "{[")
	return scalarText(s.after(n.Line, n.Column), flow)
}

// check looks for the mistakes of an expression. fields says whether the value has
// fields where it is evaluated, and because why not.
func (d *decoder) check(e expression, fields bool, because string) {
	if d.catalog.CheckExpression == nil {
		return
	}
	found := d.catalog.CheckExpression(pipeline.Expression(e.text), e.condition)
	if len(found.Problems) > 0 && d.cut(e) {
		return
	}
	for _, problem := range found.Problems {
		line, col := d.src.locate(e.node, problem.At)
		do := problem.Do
		if do == "" {
			do = "mend the expression"
		}
		d.fail(line, col, problem.What, do)
	}
	if len(found.Problems) == 0 && found.Field != "" && !fields {
		line, col := d.src.locate(e.node, found.At)
		d.fail(line, col, fmt.Sprintf("%s: the value has no fields here: %s", found.Field, because), withFields)
	}
}

// cut notes an expression of which YAML has taken a part for a comment.
func (d *decoder) cut(e expression) bool {
	n := e.node
	if n.Style != 0 {
		return false
	}
	rest, ok := strings.CutPrefix(d.src.after(n.Line, n.Column), n.Value)
	if !ok || !strings.HasPrefix(strings.TrimLeft(rest, " \t"), "#") {
		return false
	}
	d.src.mangledAt(n.Line, n.Column, e.name, n.Value+rest, mangles(n.Value+rest))
	return true
}

// withFields is what to write where the value needs fields.
const withFields = "write format: json (or another that reads fields) in source"
