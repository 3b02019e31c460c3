package config

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// source is the text of a file, to find places in it.
type source struct {
	name    string
	lines   []string     // without line breaks; mended lines as they were mended
	mended  map[int]bool // lines, from 1, that are not what the file holds
	mangled Errors       // what was wrong with them
}

func newSource(file File) *source {
	text := strings.TrimPrefix(string(file.Data), "\uFEFF")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	return &source{name: file.Name, lines: strings.Split(text, "\n"), mended: map[int]bool{}}
}

// text gives the file's text, mended.
func (s *source) text() string { return strings.Join(s.lines, "\n") }

func (s *source) place(n *yaml.Node) Place { return Place{s.name, n.Line, n.Column} }

// line gives the characters of a line, counted from 1.
func (s *source) line(number int) []rune {
	if number < 1 || number > len(s.lines) {
		return nil
	}
	return []rune(s.lines[number-1])
}

// after gives the rest of the line at a place.
func (s *source) after(line, col int) string {
	runes := s.line(line)
	if col < 1 || col > len(runes) {
		return ""
	}
	return string(runes[col-1:])
}

// spot is a place in a text, from 1.
type spot struct{ line, col int }

// locate finds the place in the file of a place inside the text of a scalar, which
// may be plain, quoted or a block. Where it cannot, it gives the scalar's own.
func (s *source) locate(n *yaml.Node, at ExpressionPlace) (line, col int) {
	lines := strings.SplitAfter(n.Value, "\n")
	spots := s.trace(n)
	if spots == nil || at.Line < 1 || at.Line > len(lines) {
		return n.Line, n.Column
	}
	index := min(max(at.Col-1, 0), utf8.RuneCountInString(lines[at.Line-1]))
	for _, text := range lines[:at.Line-1] {
		index += utf8.RuneCountInString(text)
	}
	return spots[index].line, spots[index].col
}

// trace follows a scalar through the file's text, and gives the place of each of
// its characters and of its end; nil where text and value do not agree.
func (s *source) trace(n *yaml.Node) []spot {
	t := tracer{source: s, spot: spot{n.Line, n.Column}, style: n.Style}
	t.properties = n.Anchor != "" || n.Style&yaml.TaggedStyle != 0
	t.start(n.Value)
	spots := make([]spot, 0, len(n.Value)+1)
	for _, r := range n.Value {
		at, ok := t.next(r)
		if !ok {
			return nil
		}
		spots = append(spots, at)
	}
	return append(spots, t.spot)
}

// tracer reads a scalar's text beside its value.
type tracer struct {
	*source
	spot
	style      yaml.Style
	properties bool // an anchor or a tag stands before the value
	indent     int  // of a block's lines
}

func firstOf(text string) string { return text[:min(len(text), 1)] }

// afterWord gives what follows the first word and the blanks after it.
func afterWord(text string) string {
	i := strings.IndexAny(text, " \t")
	if i < 0 {
		return ""
	}
	return strings.TrimLeft(text[i:], " \t")
}

func (t *tracer) block() bool  { return t.style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 }
func (t *tracer) double() bool { return t.style&yaml.DoubleQuotedStyle != 0 }
func (t *tracer) single() bool { return t.style&yaml.SingleQuotedStyle != 0 }

// start goes to the first character.
func (t *tracer) start(value string) {
	for rest := t.after(t.spot.line, t.col); t.properties && strings.ContainsAny(firstOf(rest), "&!"); {
		t.col += len([]rune(rest)) - len([]rune(afterWord(rest)))
		rest = t.after(t.spot.line, t.col)
	}
	switch {
	case t.double(), t.single():
		t.col++
	case t.block():
		t.indent = max(margin(t.lines[min(t.spot.line, len(t.lines)):])-margin(strings.Split(value, "\n")), 0)
		t.advance()
	}
}

// margin counts the spaces before the first line that has more than spaces.
func margin(lines []string) int {
	for _, line := range lines {
		if text := strings.TrimLeft(line, " "); text != "" {
			return len(line) - len(text)
		}
	}
	return 0
}

// advance goes to the start of the next line.
func (t *tracer) advance() {
	t.spot.line++
	t.col = t.indent + 1
	if !t.block() {
		runes := t.source.line(t.spot.line)
		for t.col <= len(runes) && unicode.IsSpace(runes[t.col-1]) {
			t.col++
		}
	}
}

// ended says whether nothing is left on the line.
func (t *tracer) ended() bool {
	rest := t.after(t.spot.line, t.col)
	return rest == "" || !t.block() && strings.TrimSpace(rest) == ""
}

// next gives the place of the value's next character, r.
func (t *tracer) next(r rune) (spot, bool) {
	if t.double() && t.after(t.spot.line, t.col) == `\` {
		t.advance()
	}
	if t.ended() {
		if r == '\n' || r == ' ' {
			at := t.spot
			t.advance()
			return at, true
		}
		for t.ended() {
			if t.spot.line >= len(t.lines) {
				return spot{}, false
			}
			t.advance()
		}
	}
	at := t.spot
	got := t.source.line(at.line)[at.col-1]
	switch {
	case t.double() && got == '\\':
		t.escape()
		return at, true
	case t.single() && got == '\'':
		t.col++
	}
	t.col++
	return at, got == r
}

// escape skips an escape sequence.
func (t *tracer) escape() {
	t.col++
	switch rest := t.after(t.spot.line, t.col); {
	case strings.HasPrefix(rest, "x"):
		t.col += 2
	case strings.HasPrefix(rest, "u"):
		t.col += 4
	case strings.HasPrefix(rest, "U"):
		t.col += 8
	}
	t.col++
}
