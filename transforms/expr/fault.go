package expr

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"

	"github.com/penstock-io/penstock/pipeline"
)

// String gives the path as it is written in an expression.
func (r read) String() string { return r.upTo(len(r.names)) }

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// upTo gives the path with the first n of its names.
func (r read) upTo(n int) string {
	var s strings.Builder
	s.WriteString(r.root)
	for _, name := range r.names[:n] {
		if plainName.MatchString(name) {
			s.WriteString("." + name)
		} else {
			fmt.Fprintf(&s, "[%q]", name)
		}
	}
	return s.String()
}

func (p *Program) noFields(r *pipeline.Record) error {
	return &pipeline.Error{Class: pipeline.Permanent,
		What: "the expression reads " + p.field.Path + ", and the value is " + r.Value.Kind().String() + " without fields",
		Do:   "set source.format to json"}
}

// fault puts an error of CEL into words. CEL's own text is not passed on: it may
// quote the record.
func (p *Program) fault(r *pipeline.Record, err error) error {
	text := err.Error()
	if key, ok := strings.CutPrefix(text, "no such key: "); ok {
		return p.missing(r, key)
	}
	what, do := "a function was given what it does not take", "test it first, or read it with another function"
	switch {
	case strings.HasPrefix(text, "index out of bounds"):
		what, do = "the list has no such index", "test size() first"
	case strings.HasPrefix(text, "no such overload"):
		what, do = "a value has a type that the operator or function does not take", "convert with int(), double() or string(), or test type() first"
	case strings.Contains(text, "by zero"):
		what, do = "division by zero", "test for 0 first"
	case strings.Contains(text, "overflow"), strings.Contains(text, "range"):
		what, do = "a number is too large for its type", "calculate with double()"
	}
	if cancelled, ok := errors.AsType[interpreter.EvalCancelledError](err); ok && cancelled.Cause == interpreter.CostLimitExceeded {
		what, do = "it takes more steps than an expression may", "loop over shorter lists"
	}
	if fault, ok := errors.AsType[*types.Err](err); ok && fault.NodeID() > 0 {
		at := p.source.GetStartLocation(fault.NodeID())
		what = fmt.Sprintf("%s (at %d:%d of the expression)", what, at.Line(), at.Column()+1)
	}
	return &pipeline.Error{Class: pipeline.Permanent, What: "the expression fails: " + what, Do: do}
}

// missing names the path that ends at the missing key.
func (p *Program) missing(r *pipeline.Record, key string) error {
	for _, read := range p.reads {
		for n := range read.names {
			if read.names[n] != key || exists(r, read, n+1) {
				continue
			}
			path := read.upTo(n + 1)
			if node, ok := r.Value.Get(read.names[:n]...); ok && read.root == "value" && node.Type() != pipeline.JSONObject {
				return &pipeline.Error{Class: pipeline.Permanent, What: "there is no " + path + ": " + read.upTo(n) + " is " + node.Type().String(),
					Do: "test it first: has(" + read.upTo(n) + ") && type(" + read.upTo(n) + ") == map"}
			}
			return &pipeline.Error{Class: pipeline.Permanent, What: path + " is missing", Do: howToAsk(read, n)}
		}
	}
	return &pipeline.Error{Class: pipeline.Permanent, What: "the expression reads a field that is missing",
		Do: "ask first with has(), or read it with .?"}
}

// howToAsk shows how to read what may be missing.
func howToAsk(r read, n int) string {
	if !plainName.MatchString(r.names[n]) {
		return fmt.Sprintf("ask first (%q in %s), or read it with %s[?%q]", r.names[n], r.upTo(n), r.upTo(n), r.names[n])
	}
	return "ask first with has(" + r.upTo(n+1) + "), or read it with " + r.upTo(n) + ".?" + r.names[n]
}

// exists says whether the first n names of the path are there.
func exists(r *pipeline.Record, path read, n int) bool {
	switch path.root {
	case "value":
		_, ok := r.Value.Get(path.names[:n]...)
		return ok
	case "headers":
		for _, h := range r.Headers {
			if h.Key == path.names[0] {
				return true
			}
		}
		return false
	case "origin":
		return path.names[0] == "shard" || path.names[0] == "offset"
	default:
		return true
	}
}
