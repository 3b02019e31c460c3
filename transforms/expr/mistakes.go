package expr

import (
	"fmt"
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
)

// Mistake is what is wrong at a place inside an expression.
type Mistake struct {
	Line, Col int // both count from 1, Col in characters
	What      string
	Do        string // what to write; may be empty
}

// Mistakes is the error of an expression that does not compile, in the order of
// the text, never empty.
type Mistakes []Mistake

// Error gives a line a mistake: "1:7: what; do".
func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = fmt.Sprintf("%d:%d: %s", mistake.Line, mistake.Col, mistake.What)
		if mistake.Do != "" {
			lines[i] += "; " + mistake.Do
		}
	}
	return strings.Join(lines, "\n")
}

const (
	knownNames = "an expression knows key, value, headers, topic, time and origin"
	quoteTexts = "a text needs quotes: %q"
)

var (
	unknownName  = regexp.MustCompile(`^undeclared reference to '([^']*)'(?: \(did you mean '([^']*)'\?\))?`)
	wrongTypes   = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '([^']*)'`)
	unknownToken = regexp.MustCompile(`(?s)^Syntax error: token recognition error at: '(.*)'$`)
	unexpected   = regexp.MustCompile(`^Syntax error: (?:mismatched|extraneous) input '(.*)' expecting`)
	operator     = regexp.MustCompile(`^@?_?([^_@]+)_?$`)
)

// mistakesOf puts CEL's issues into words for people who do not know its insides.
func mistakesOf(src string, issues []*common.Error) Mistakes {
	var mistakes Mistakes
	for _, issue := range issues {
		m := mistakeOf(src, issue.Message)
		m.Line, m.Col = max(issue.Location.Line(), 1), max(issue.Location.Column()+1, 1)
		mistakes = append(mistakes, m)
		if strings.HasPrefix(issue.Message, "Syntax error") {
			break // what follows the first is mostly its echo
		}
	}
	return mistakes
}

func mistakeOf(src, message string) Mistake {
	if m := unknownName.FindStringSubmatch(message); m != nil {
		switch {
		case m[2] != "":
			return Mistake{What: m[1] + " is not known", Do: "did you mean " + m[2] + "? " + knownNames}
		case strings.Contains(src, m[1]+"("):
			return Mistake{What: "there is no function " + m[1], Do: "see the list of functions of CEL"}
		}
		return Mistake{What: m[1] + " is not known", Do: knownNames + "; " + fmt.Sprintf(quoteTexts, m[1])}
	}
	if m := wrongTypes.FindStringSubmatch(message); m != nil {
		return Mistake{What: plainOperator(m[1]) + " does not take " + m[2],
			Do: "convert with int(), double() or string(), or hide the type with dyn()"}
	}
	if m := unknownToken.FindStringSubmatch(message); m != nil {
		switch {
		case strings.HasPrefix(m[1], "="):
			return Mistake{What: "= is not an operator", Do: "compare with =="}
		case strings.HasPrefix(m[1], `"`) || strings.HasPrefix(m[1], "'"):
			return Mistake{What: "a text that does not end", Do: "close it with the quote it begins with"}
		}
		return Mistake{What: fmt.Sprintf("%q cannot stand here", m[1])}
	}
	if m := unexpected.FindStringSubmatch(message); m != nil {
		if m[1] == "<EOF>" {
			return Mistake{What: "the expression ends too early", Do: "write what is missing here"}
		}
		return Mistake{What: fmt.Sprintf("%q cannot stand here", m[1]), Do: "an operator may be missing before it"}
	}
	if strings.HasPrefix(message, "invalid argument to has() macro") {
		return Mistake{What: "has() takes a field", Do: "write has(value.name)"}
	}
	return Mistake{What: strings.TrimPrefix(message, "Syntax error: ")}
}

// plainOperator gives the operator as it is written: "*" for CEL's "_*_".
func plainOperator(function string) string {
	switch function {
	case "_?_:_":
		return "? :"
	case "_[_]":
		return "[ ]"
	}
	if m := operator.FindStringSubmatch(function); m != nil {
		return m[1]
	}
	return function
}

// typeName gives the name of a type for people.
func typeName(t *cel.Type) string {
	switch t.Kind() {
	case cel.StringKind:
		return "a text"
	case cel.IntKind, cel.UintKind, cel.DoubleKind:
		return "a number"
	case cel.ListKind:
		return "a list"
	case cel.MapKind:
		return "a map"
	case cel.TimestampKind:
		return "a time"
	default:
		return t.String()
	}
}
