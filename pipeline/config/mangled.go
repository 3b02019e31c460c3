package config

import (
	"errors"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A name and what follows it on a line: "  - filter: …" or "{key: …".
var nameBefore = regexp.MustCompile(`(?:^|[{,])[ \t]*(?:- +)*(?:"([^"]*)"|'([^']*)'|([A-Za-z_][\w.]*)):[ \t]+`)

// A text with a variable in it, as it may stand unquoted in a list or object.
var variableInside = regexp.MustCompile(`[^\s,\[\]{}"']*\$\{[^{}"']*\}[^\s,\[\]{}"']*`)

// expressionNames are the names, anywhere in the catalog, whose values are
// expressions.
func (p *parser) expressionNames() map[string]bool {
	names := map[string]bool{"when": true}
	for _, k := range kinds() {
		for _, c := range p.catalog.list(k) {
			eachField(c, func(f field, _ string) {
				if f.typeName() == "expression" {
					names[f.name] = true
				}
			})
		}
	}
	return names
}

// mend repairs the line at which the parser stopped, or the one before, if it
// holds a text that only needs quotes, and notes what was wrong with it. It gives
// false where it cannot help.
func (s *source) mend(expressions map[string]bool, err error) bool {
	e, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		return false
	}
	for number := e.Mark.Line; number >= max(e.Mark.Line-1, 1); number-- {
		if number > len(s.lines) || s.mended[number] {
			continue
		}
		if s.mendExpression(number, expressions) || s.mendVariable(number) {
			s.mended[number] = true
			return true
		}
	}
	return false
}

// mendExpression quotes the first expression of a line that YAML cannot hold.
func (s *source) mendExpression(number int, expressions map[string]bool) bool {
	line := s.lines[number-1]
	for _, m := range nameBefore.FindAllStringSubmatchIndex(line, -1) {
		name := submatch(line, m)
		if !expressions[name] && !strings.HasPrefix(name, "value.") {
			continue
		}
		flow := strings.ContainsAny(line[m[0]:m[0]+1], "{,")
		text := scalarText(line[m[1]:], flow)
		if why := mangles(text); why != "" {
			s.mangledAt(number, len([]rune(line[:m[1]]))+1, name, text, why)
			s.lines[number-1] = line[:m[1]] + singleQuoted(text) + line[m[1]+len(text):]
			return true
		}
	}
	return false
}

func submatch(line string, m []int) string {
	for i := 2; i < len(m); i += 2 {
		if m[i] >= 0 {
			return line[m[i]:m[i+1]]
		}
	}
	return ""
}

// mangledAt notes an expression that YAML does not read as one.
func (s *source) mangledAt(line, col int, name, text, why string) {
	s.mangled = append(s.mangled, Error{At: Place{s.name, line, col},
		What: "YAML reads this expression as something else: it " + why,
		Do:   "write it in quotes: " + name + ": " + singleQuoted(text)})
}

// mendVariable quotes the variables of a line that stand bare in a list or object.
func (s *source) mendVariable(number int) bool {
	line := s.lines[number-1]
	for _, m := range variableInside.FindAllStringIndex(line, -1) {
		before := line[:m[0]]
		if strings.Count(before, `"`)%2 == 1 || strings.Count(before, "'")%2 == 1 || !strings.ContainsAny(before, "[{") {
			continue
		}
		text := line[m[0]:m[1]]
		s.lines[number-1] = before + `"` + text + `"` + line[m[1]:]
		s.mangled = append(s.mangled, Error{At: Place{s.name, number, len([]rune(before)) + 1},
			What: "YAML reads the braces of a variable as its own inside [ ] and { }",
			Do:   `write it in quotes: "` + text + `"`})
		return true
	}
	return false
}

// scalarText cuts what was meant as one text: in flow, up to the end of the object
// or list around it; else the line, without a comment.
func scalarText(rest string, flow bool) string {
	if i := strings.Index(rest, " #"); i >= 0 && !strings.ContainsAny(rest[i:], `"'`) {
		rest = rest[:i]
	}
	if flow {
		rest = rest[:flowEnd(rest)]
	}
	return strings.TrimRight(rest, " \t")
}

// flowEnd finds the comma or bracket that ends a value inside an object or list.
func flowEnd(text string) int {
	depth, quoted := 0, byte(0)
	for i := range len(text) {
		c := text[i]
		switch {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '"' || c == '\'':
			quoted = c
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case depth > 0 && strings.IndexByte(")]}", c) >= 0:
			depth--
		case depth == 0 && strings.IndexByte(",]}", c) >= 0:
			return i
		}
	}
	return len(text)
}

// mangles says why YAML does not take a text as it stands; empty: it does.
func mangles(text string) string {
	switch {
	case text == "" || quotedWhole(text):
		return ""
	case strings.ContainsAny(text[:1], "!&*"):
		return "starts with " + text[:1] + ", which marks a YAML tag, anchor or alias"
	case strings.ContainsAny(text[:1], `"'`):
		return "starts with " + text[:1] + ", so YAML takes only what is between the quotes"
	case strings.ContainsAny(text[:1], "[{"):
		return "starts with " + text[:1] + ", which starts a YAML list or object"
	case strings.ContainsAny(text[:1], "%@`|>"):
		return "starts with " + text[:1] + ", which YAML keeps for itself"
	case strings.Contains(text, ": "):
		return "contains a colon and a space, which YAML takes for a name and its value"
	case strings.Contains(text, " #"):
		return "contains a space and #, which starts a YAML comment"
	}
	return ""
}

// quotedWhole says whether a text is one quoted YAML scalar.
func quotedWhole(text string) bool {
	var node yaml.Node
	if !strings.ContainsAny(text[:1], `"'`) || yaml.Unmarshal([]byte(text), &node) != nil || len(node.Content) != 1 {
		return false
	}
	return node.Content[0].Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0
}

func singleQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
