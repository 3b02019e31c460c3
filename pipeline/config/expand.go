package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const masked = "********"

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// problem is a mistake without its place.
type problem struct{ what, do string }

// expand puts in what ${…} and $$ stand for. parts are the texts that came from
// variables and files, and files those of them that came from files.
func (l Lookup) expand(text string) (result string, parts, files []string, bad *problem) {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "$")
		out.WriteString(before)
		switch {
		case !ok:
			return out.String(), parts, files, nil
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			text = rest[1:]
		case strings.HasPrefix(rest, "{"):
			inner, after, closed := strings.Cut(rest[1:], "}")
			if !closed {
				return "", nil, nil, &problem{"a variable has no closing brace", "write ${NAME}, or $${ for the characters themselves"}
			}
			part, fromFile, bad := l.variable(inner)
			if bad != nil {
				return "", nil, nil, bad
			}
			parts = append(parts, part)
			if fromFile {
				files = append(files, part)
			}
			out.WriteString(part)
			text = after
		default:
			out.WriteByte('$')
			text = rest
		}
	}
}

// variable gives what stands for the inner text of ${…}.
func (l Lookup) variable(inner string) (value string, fromFile bool, bad *problem) {
	if path, ok := strings.CutPrefix(inner, "file:"); ok {
		value, bad = l.file(path)
		return value, true, bad
	}
	name, fallback, hasFallback := strings.Cut(inner, ":-")
	if !variableName.MatchString(name) {
		return "", false, &problem{quote(name) + " is not a name of a variable",
			"write ${NAME}, ${NAME:-default}, ${file:/path}, or $${ for the characters themselves"}
	}
	set := false
	if l.Env != nil {
		value, set = l.Env(name)
	}
	switch {
	case hasFallback && value == "":
		return fallback, false, nil
	case !set:
		return "", false, &problem{"the variable " + name + " is not set", "set it, or write ${" + clip(name) + ":-default}"}
	}
	return value, false, nil
}

// ErrNotAllowed is what Lookup.ReadFile says of a file that this text may not name.
var ErrNotAllowed = errors.New("lies in no folder that may be named")

// file gives the text of a file without its last line break. The reason of a
// failure is told, not the library's words: they may say more.
func (l Lookup) file(path string) (string, *problem) {
	if l.ReadFile == nil {
		return "", &problem{"files cannot be read here", "write the text itself, or a variable"}
	}
	data, err := l.ReadFile(path)
	if err != nil {
		reason := "cannot be read"
		switch {
		case errors.Is(err, fs.ErrNotExist):
			reason = "does not exist"
		case errors.Is(err, fs.ErrPermission):
			reason = "may not be read by this user"
		case errors.Is(err, ErrNotAllowed):
			reason = ErrNotAllowed.Error()
		}
		return "", &problem{fmt.Sprintf("the file %s %s", quote(path), reason), "name a file that can be read"}
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}

// hidden are the texts of a file that must not be shown: secrets, and what came
// from files.
type hidden struct {
	known  map[string]bool
	sorted []string // longest first: a secret may hold another
}

// leastHidden is the length from which a text can be a secret: masking shorter
// ones would only garble messages.
const leastHidden = 4

// add keeps texts from being shown, and the passwords of those that are URLs.
func (h *hidden) add(texts ...string) {
	for _, text := range texts {
		h.addOne(text)
		if u, err := url.Parse(text); err == nil && u.User != nil {
			password, _ := u.User.Password()
			h.addOne(password)
		}
	}
}

func (h *hidden) addOne(text string) {
	if h.known == nil {
		h.known = map[string]bool{}
	}
	if len(text) >= leastHidden {
		h.known[text] = true
	}
}

// scrub masks what must not be shown.
func (h *hidden) scrub(text string) string {
	if len(h.sorted) != len(h.known) {
		h.sorted = slices.SortedFunc(maps.Keys(h.known), func(a, b string) int {
			return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
		})
	}
	for _, secret := range h.sorted {
		text = strings.ReplaceAll(text, secret, masked)
	}
	return text
}
