package transforms

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-io/penstock/pipeline"
)

// CastSettings are the settings of cast.
type CastSettings struct {
	Types map[string]string `yaml:",whole" required:"true" path:"true" example:"{value.price: float, value.user_id: string}" doc:"Types by the field that is to have it: string, int, float or bool. null and what is missing stay; what cannot be it without loss is an error of the record."`
}

// casts are how a node becomes a type; false: it cannot.
var casts = map[string]func(dst []byte, n *pipeline.Node) ([]byte, bool){
	"string": toString, "int": toInt, "float": toFloat, "bool": toBool,
}

// Validate finds paths that are no fields, and types that there are not.
func (s CastSettings) Validate() []pipeline.Problem {
	targets, problems := parseTargets(slices.Collect(maps.Keys(s.Types)), itself)
	problems = append(problems, collisions(targets, itself)...)
	for _, t := range targets {
		if t.part != valuePart {
			problems = append(problems, pipeline.Problem{Field: t.text, What: "is no field of the value, and always text", Do: fieldForms})
		}
		if casts[s.Types[t.text]] == nil {
			problems = append(problems, pipeline.Problem{Field: t.text, What: fmt.Sprintf("cannot become %q", s.Types[t.text]), Do: "write string, int, float or bool"})
		}
	}
	return problems
}

// Cast gives fields another type.
type Cast struct {
	fields []castField
}

type castField struct {
	target
	kind string
	cast func(dst []byte, n *pipeline.Node) ([]byte, bool)
}

// NewCast makes a cast. The error is the first that Validate finds.
func NewCast(s CastSettings) (*Cast, error) {
	if err := firstOf(s.Validate()); err != nil {
		return nil, err
	}
	targets, _ := parseTargets(slices.Collect(maps.Keys(s.Types)), itself)
	c := &Cast{}
	for _, t := range targets {
		kind := s.Types[t.text]
		c.fields = append(c.fields, castField{t, kind, casts[kind]})
	}
	return c, nil
}

// Apply changes the types.
func (c *Cast) Apply(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		for i := range c.fields {
			if err := c.fields[i].apply(b, r); err != nil {
				r.Fail(err)
				break
			}
		}
	}
	return nil
}

func (f *castField) apply(b *pipeline.Batch, r *pipeline.Record) error {
	node, ok := r.Value.Get(f.names...)
	if !ok || node.Type() == pipeline.JSONNull {
		return nil
	}
	was := node.Raw()
	text, ok := f.cast(b.Arena.Alloc(len(was)+8), &node)
	switch {
	case !ok:
		return &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("%s is %s, and this one cannot become %s without loss", f.text, node.Type(), f.kind),
			Do: "mend what writes it, or compute it"}
	case string(text) == string(was):
		return nil
	}
	return r.Value.Set(b, f.names, text)
}

// toString gives the text of all that is not an object or an array.
func toString(dst []byte, n *pipeline.Node) ([]byte, bool) {
	switch n.Type() {
	case pipeline.JSONString:
		return append(dst, n.Raw()...), true
	case pipeline.JSONNumber, pipeline.JSONBool:
		return pipeline.AppendString(dst, n.Raw()), true
	default:
		return dst, false
	}
}

// toInt takes whole numbers, however they are written and however large, and 1 and 0
// for true and false.
func toInt(dst []byte, n *pipeline.Node) ([]byte, bool) {
	text := numberText(n)
	if n.Type() == pipeline.JSONBool {
		text = "0"
		if n.Bool() {
			text = "1"
		}
	}
	if isInteger(text) {
		return append(dst, text...), true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 || !isNumber(text) {
		return dst, false
	}
	return strconv.AppendInt(dst, int64(f), 10), true
}

// toFloat takes numbers as they are written: 12.50 stays 12.50. A whole one gets .0, so
// that readers who tell the two apart see a float.
func toFloat(dst []byte, n *pipeline.Node) ([]byte, bool) {
	text := numberText(n)
	if !isNumber(text) {
		return dst, false
	}
	dst = append(dst, text...)
	if isInteger(text) {
		dst = append(dst, ".0"...)
	}
	return dst, true
}

// toBool takes true and false, those texts, and 1 and 0.
func toBool(dst []byte, n *pipeline.Node) ([]byte, bool) {
	switch text := n.Text(); {
	case n.Type() == pipeline.JSONObject || n.Type() == pipeline.JSONArray:
		return dst, false
	case text == "1" || strings.EqualFold(text, "true"):
		return append(dst, "true"...), true
	case text == "0" || strings.EqualFold(text, "false"):
		return append(dst, "false"...), true
	default:
		return dst, false
	}
}

// numberText gives the text of a number, also of one that is a string; of others, what
// is no number.
func numberText(n *pipeline.Node) string {
	switch n.Type() {
	case pipeline.JSONNumber:
		return string(n.Raw())
	case pipeline.JSONString:
		return strings.TrimSpace(n.Text())
	default:
		return ""
	}
}

// isNumber tells whether a text is a number as JSON writes them.
func isNumber(text string) bool {
	rest := strings.TrimPrefix(text, "-")
	if rest == "" || rest[0] < '0' || rest[0] > '9' {
		return false
	}
	return json.Valid([]byte(text))
}

// isInteger tells whether a number is written without fraction and exponent.
func isInteger(text string) bool { return isNumber(text) && !strings.ContainsAny(text, ".eE") }
