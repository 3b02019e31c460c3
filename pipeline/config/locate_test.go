package config

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

// styles are the ways to write a text in YAML.
var styles = map[string]yaml.Style{
	"plain": 0, "double": yaml.DoubleQuotedStyle, "single": yaml.SingleQuotedStyle,
	"literal": yaml.LiteralStyle, "folded": yaml.FoldedStyle,
}

// TestTraceFindsEachCharacter writes random texts in each style, and demands that
// each character's place holds that character (or its escape).
func TestTraceFindsEachCharacter(t *testing.T) {
	word := rapid.StringMatching(`[a-zé."'\\]{1,6}|[ \t]|\n{1,3} {0,3}`)
	for name, style := range styles {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			text := rapid.StringMatching(`[ \n]{0,3}a`).Draw(t, "start") + strings.Join(rapid.SliceOfN(word, 1, 60).Draw(t, "text"), rapid.SampledFrom([]string{"", " "}).Draw(t, "between"))
			data, err := yaml.Dump(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
				{Kind: yaml.ScalarNode, Value: "key"},
				{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Style: style},
			}}, yaml.WithLineWidth(30))
			if err != nil {
				t.Fatal(err)
			}
			roots, err := readTree(string(data))
			if err != nil || len(roots) != 1 {
				t.Fatalf("%v in %q", err, data)
			}
			checkTrace(t, newSource(File{Data: data}), roots[0].Content[1])
		}))
	}
}

func checkTrace(t *rapid.T, s *source, n *yaml.Node) {
	spots := s.trace(n)
	runes := []rune(n.Value)
	if len(spots) != len(runes)+1 {
		t.Fatalf("%d places for %d characters of\n%s", len(spots), len(runes), s.text())
	}
	for i, r := range runes {
		line := s.line(spots[i].line)
		if spots[i].col > len(line) {
			if r != ' ' && r != '\n' {
				t.Fatalf("character %d, %q, is placed behind line %d of\n%s", i, r, spots[i].line, s.text())
			}
			continue
		}
		got := line[spots[i].col-1]
		blank := (r == ' ' || r == '\n') && strings.TrimSpace(string(line[spots[i].col-1:])) == ""
		escaped := got == '\\' && n.Style&yaml.DoubleQuotedStyle != 0
		if got != r && !blank && !escaped {
			t.Fatalf("character %d, %q, is placed at %v, where %q stands, in\n%s", i, r, spots[i], got, s.text())
		}
	}
}

func TestLocate(t *testing.T) {
	for _, test := range []struct {
		name, yaml string
		at         ExpressionPlace
		line, col  int
	}{
		{"plain", "a: bcd", ExpressionPlace{1, 2}, 1, 5},
		{"its end", "a: bcd", ExpressionPlace{1, 4}, 1, 7},
		{"beyond its end", "a: bcd", ExpressionPlace{1, 9}, 1, 7},
		{"a line too far", "a: bcd", ExpressionPlace{7, 1}, 1, 4},
		{"no place", "a: bcd", ExpressionPlace{}, 1, 4},
		{"behind an anchor and a tag", "a: &x !!str bcd", ExpressionPlace{1, 1}, 1, 13},
		{"escapes", `a: "\x41\u0042\U00000043\"d"`, ExpressionPlace{1, 5}, 1, 27},
		{"a quoted line folded by an escape", "a: \"b\\\n  c\"", ExpressionPlace{1, 2}, 2, 3},
		{"two single quotes", "a: 'b''c'", ExpressionPlace{1, 3}, 1, 8},
		{"literal", "a: |\n\n  b\n   c", ExpressionPlace{3, 2}, 4, 4},
		{"literal with an indicator", "a: |2-\n    b\n  c", ExpressionPlace{2, 1}, 3, 3},
		{"folded", "a: >\n  b\n  c\n\n  d", ExpressionPlace{2, 1}, 5, 3},
		{"carriage returns", "x: y\r\na: b\r\n  c", ExpressionPlace{1, 3}, 3, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSource(File{Data: []byte(test.yaml)})
			roots, err := readTree(s.text())
			if err != nil {
				t.Fatal(err)
			}
			content := roots[0].Content
			line, col := s.locate(content[len(content)-1], test.at)
			if line != test.line || col != test.col {
				t.Errorf("got %d:%d, want %d:%d", line, col, test.line, test.col)
			}
		})
	}
}
