package config

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// maxMends is how many lines that YAML has mangled are mended to read on.
const maxMends = 20

// documents gives the root node of each document that is not empty. After a line
// that YAML cannot read but a person can, it mends the line and reads again, so
// that the other mistakes of the file are found in the same run.
func (p *parser) documents() []*yaml.Node {
	for range maxMends {
		roots, err := readTree(p.src.text())
		if err == nil {
			return roots
		}
		if !p.src.mend(p.expressionNames(), err) {
			p.syntax(err)
			return roots
		}
	}
	return nil
}

// readTree parses YAML up to its end or its first mistake.
func readTree(text string) ([]*yaml.Node, error) {
	loader, err := yaml.NewLoader(strings.NewReader(text), yaml.WithV4Defaults(),
		yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth), loaderlimits.AliasNone())))
	if err != nil {
		return nil, fmt.Errorf("the YAML library refuses its options: %w", err)
	}
	var roots []*yaml.Node
	for {
		var document yaml.Node
		if err := loader.Load(&document); errors.Is(err, io.EOF) {
			return roots, nil
		} else if err != nil {
			return roots, err
		}
		if len(document.Content) == 1 && document.Content[0].ShortTag() != "!!null" {
			roots = append(roots, document.Content[0])
		}
	}
}

// syntax notes a mistake in the YAML itself.
func (p *parser) syntax(err error) {
	line, col, what := 1, 1, err.Error()
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		line, col, what = max(e.Mark.Line, 1), max(e.Mark.Column, 1), e.Message
		if e.ContextMsg != "" {
			what += " " + e.ContextMsg
		}
		if start := e.ContextMark.Line; start > 0 && start < line {
			what += fmt.Sprintf(" that starts in line %d", start)
		}
	}
	switch {
	case strings.Contains(what, "exceeded max depth"):
		p.fail(line, col, fmt.Sprintf("this is nested more than %d levels deep", maxDepth), "nest less")
	case strings.HasPrefix(p.src.after(line, 1), "\t"):
		p.fail(line, col, "the line is indented with a tab", "indent with spaces")
	default:
		p.fail(line, col, "this is not valid YAML: "+what, "look at the indentation, the quotes and the brackets here and just before")
	}
}

// survey walks a document once, aliases expanded, and notes what is wrong
// wherever it stands: duplicate keys, keys that are not text, merge keys. It gives
// false where the document is too large or too deep to go on.
func (p *parser) survey(root *yaml.Node) bool {
	nodes := 0
	return p.walk(root, 0, &nodes, false)
}

func (p *parser) walk(n *yaml.Node, depth int, nodes *int, aliased bool) bool {
	if *nodes++; *nodes > maxNodes {
		p.failAt(n, fmt.Sprintf("the document has more than %d values, each alias counted as all that it stands for", maxNodes),
			"write a smaller one")
		return false
	}
	if depth > maxDepth {
		p.failAt(n, fmt.Sprintf("this is nested more than %d levels deep", maxDepth), "nest less; an alias must not hold itself")
		return false
	}
	if n.Kind == yaml.AliasNode {
		return p.walk(n.Alias, depth+1, nodes, true)
	}
	if n.Kind == yaml.MappingNode && !aliased {
		p.keys(n)
	}
	for _, child := range n.Content {
		if !p.walk(child, depth+1, nodes, aliased) {
			return false
		}
	}
	return true
}

// keys checks the keys of one mapping.
func (p *parser) keys(n *yaml.Node) {
	seen := map[string]*yaml.Node{}
	for key := range pairs(n) {
		switch first := seen[key.Value]; {
		case key.Kind != yaml.ScalarNode:
			p.failAt(key, "a name has to be text", "write name: value")
		case key.ShortTag() == "!!merge":
			p.failAt(key, "merge keys (<<) are not taken", "write the fields out, or use an alias for a whole value")
		case first != nil:
			p.failAt(key, fmt.Sprintf("%s stands here twice, first in line %d", quote(key.Value), first.Line), "keep one")
		default:
			seen[key.Value] = key
		}
	}
}

// pairs gives the keys and values of a mapping, in order.
func pairs(n *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// resolve follows aliases.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// describe says what a node is.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!bool":
		return n.Value
	case "!!int", "!!float":
		return "the number " + clip(n.Value)
	case "!!str", "!!timestamp":
		return "the text " + quote(n.Value)
	default:
		return "the YAML tag " + clip(n.Tag)
	}
}

// quote puts text in quotes, shortened.
func quote(text string) string { return fmt.Sprintf("%q", clip(text)) }

// clip shortens text for messages.
func clip(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
