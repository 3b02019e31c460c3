package config

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// secretAt is a text of the file that is a secret, or says where one is.
type secretAt struct {
	node *yaml.Node
	path string
}

var (
	// reference matches what says where a secret is, and not what it is.
	reference = regexp.MustCompile(`^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$\{file:[^}]*\})+$`)
	// passwordOf finds the password of a URL.
	passwordOf = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://[^/?#:@]*:([^/]*)@`)
)

// literalSecret finds what of a secret's text must not be shown, as it stands in the file:
// of a URL its password, unless it is a variable. from == to: nothing.
func literalSecret(text string) (from, to int) {
	if reference.MatchString(text) {
		return 0, 0
	}
	if at := passwordOf.FindStringSubmatchIndex(text); at != nil {
		if from, to = at[2], at[3]; reference.MatchString(text[from:to]) {
			return 0, 0
		}
		return from, to
	}
	if strings.Contains(text, "://") && !strings.Contains(text, "@") {
		return 0, 0
	}
	return 0, len(text)
}

// Shown gives the file that the pipeline was parsed from as it may be shown: secrets that
// stand in it are masked, the rest is as it was written; but for secrets in blocks of lines,
// with which it is as Effective gives it. See Restored. Errors: those of Effective.
func (p *Pipeline) Shown() ([]byte, error) {
	var edits []edit
	for _, s := range p.decoder.secrets {
		from, to := literalSecret(s.node.Value)
		if from == to {
			continue
		}
		e, ok := p.decoder.src.replacing(s.node, s.node.Value[:from]+masked+s.node.Value[to:])
		if !ok {
			return Effective(p)
		}
		edits = append(edits, e)
	}
	return p.decoder.src.edited(edits), nil
}

// Restored gives the file that p was parsed from with what Shown masks of an earlier one
// put back, where it stands at the same place: who edits what was shown keeps its secrets.
// Errors: Errors, of masks that nothing can take the place of.
func (p *Pipeline) Restored(before *Pipeline) ([]byte, error) {
	var edits []edit
	var errs Errors
	for _, s := range p.decoder.secrets {
		if !strings.Contains(s.node.Value, masked) {
			continue
		}
		secret, known := before.secretShownAs(s)
		e, ok := p.decoder.src.replacing(s.node, secret)
		if !known || !ok {
			errs = append(errs, Error{At: p.decoder.src.place(s.node), What: label(s.path) + " is masked, and nothing is known that was here", Do: "write it, or a variable like ${REDIS_URL}"})
			continue
		}
		edits = append(edits, e)
	}
	if len(errs) > 0 {
		return nil, errs.sorted()
	}
	return p.decoder.src.edited(edits), nil
}

// secretShownAs gives the secret that is shown as another one says, at its place.
func (p *Pipeline) secretShownAs(shown secretAt) (string, bool) {
	if p == nil {
		return "", false
	}
	for _, s := range p.decoder.secrets {
		from, to := literalSecret(s.node.Value)
		if s.path == shown.path && from < to && s.node.Value[:from]+masked+s.node.Value[to:] == shown.node.Value {
			return s.node.Value, true
		}
	}
	return "", false
}

// edit puts a text in place of another, from a character of the file up to another.
type edit struct {
	from, to int
	text     string
}

// replacing is the edit that gives a scalar another value; false where it cannot be told
// where the scalar ends.
func (s *source) replacing(n *yaml.Node, value string) (e edit, ok bool) {
	spots := s.trace(n)
	if spots == nil || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return edit{}, false
	}
	from, to := s.offset(spots[0]), s.offset(spots[len(spots)-1])
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		from, to = from-1, to+1
	}
	return edit{from, to, strconv.Quote(value)}, true
}

// offset counts the characters before a place.
func (s *source) offset(at spot) int {
	n := 0
	for _, line := range s.lines[:min(at.line-1, len(s.lines))] {
		n += utf8.RuneCountInString(line) + 1
	}
	return n + at.col - 1
}

// edited gives the file after edits of different places.
func (s *source) edited(edits []edit) []byte {
	text := []rune(s.text())
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(b.from, a.from) })
	for _, e := range edits {
		from := min(e.from, len(text))
		text = slices.Replace(text, from, max(min(e.to, len(text)), from), []rune(e.text)...)
	}
	return []byte(string(text))
}
