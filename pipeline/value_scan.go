package pipeline

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is how deep a document may be nested.
const maxDepth = 1000

// SyntaxError says why a text is not JSON. It holds no part of the text but the
// one character that was found, where that is punctuation.
type SyntaxError struct {
	Offset int    // in bytes
	Found  string // "'}'", "a letter", "the end"
	Wanted string // "a value"
}

// Error gives "not JSON: at byte 17 there is '}' where a value should be".
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON: at byte %d there is %s where %s should be", e.Offset, e.Found, e.Wanted)
}

// scanner reads JSON text from the front to the end. Its methods take the index
// at which to read and give the index behind what they read, -1 on an error,
// which they leave in bad and wanted.
type scanner struct {
	text    []byte
	views   *views // takes the fields of the outermost object
	escaped bool   // the string that was read last holds escapes
	bad     int
	wanted  string
}

// document reads the whole text. The view is nil where it is not an object.
func (s *scanner) document() (*object, error) {
	if uint64(len(s.text)) > math.MaxUint32 {
		return nil, &SyntaxError{Offset: math.MaxUint32, Found: "more", Wanted: "the end (a document is at most 4 GiB)"}
	}
	i, end := s.space(0), 0
	isObject := s.at(i) == '{'
	if isObject {
		s.views.scratch = s.views.scratch[:0]
		end = s.object(i+1, 1, true)
	} else {
		end = s.value(i, 1)
	}
	if end >= 0 {
		if end = s.space(end); end < len(s.text) {
			s.fail(end, "the end")
			end = -1
		}
	}
	if end < 0 {
		return nil, &SyntaxError{Offset: s.bad, Found: found(s.text[s.bad:]), Wanted: s.wanted}
	}
	if isObject {
		return s.views.newObject(s.text), nil
	}
	return nil, nil
}

func (s *scanner) fail(i int, wanted string) int {
	s.bad, s.wanted = min(i, len(s.text)), wanted
	return -1
}

// at gives the byte at i, 0 behind the end.
func (s *scanner) at(i int) byte {
	if i < len(s.text) {
		return s.text[i]
	}
	return 0
}

// space gives the index of the first byte from i on that is no white space.
func (s *scanner) space(i int) int {
	for i < len(s.text) && s.text[i] <= ' ' && isSpace(s.text[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

func (s *scanner) value(i, depth int) int {
	switch c := s.at(i); c {
	case '"':
		return s.str(i + 1)
	case '{':
		return s.object(i+1, depth, false)
	case '[':
		return s.array(i+1, depth)
	case 't':
		return s.word(i, "true")
	case 'f':
		return s.word(i, "false")
	case 'n':
		return s.word(i, "null")
	default:
		if c == '-' || isDigit(c) {
			return s.number(i)
		}
		return s.fail(i, "a value")
	}
}

// object reads what follows the opening brace.
func (s *scanner) object(i, depth int, keep bool) int {
	if depth > maxDepth {
		return s.fail(i-1, "less nesting (at most 1000 deep)")
	}
	if i = s.space(i); s.at(i) == '}' {
		return i + 1
	}
	for {
		if s.at(i) != '"' {
			return s.fail(i, "a name in quotes")
		}
		m := member{name: uint32(i + 1)}
		s.escaped = false
		if i = s.str(i + 1); i < 0 {
			return -1
		}
		m.nameEnd, m.escaped = uint32(i-1), s.escaped
		if i = s.space(i); s.at(i) != ':' {
			return s.fail(i, "a colon")
		}
		i = s.space(i + 1)
		m.value = uint32(i)
		if i = s.value(i, depth+1); i < 0 {
			return -1
		}
		if keep {
			m.end = uint32(i)
			s.views.scratch = append(s.views.scratch, m)
		}
		switch i = s.space(i); s.at(i) {
		case ',':
			i = s.space(i + 1)
		case '}':
			return i + 1
		default:
			return s.fail(i, "a comma or the object's end")
		}
	}
}

// array reads what follows the opening bracket.
func (s *scanner) array(i, depth int) int {
	if depth > maxDepth {
		return s.fail(i-1, "less nesting (at most 1000 deep)")
	}
	if i = s.space(i); s.at(i) == ']' {
		return i + 1
	}
	for {
		if i = s.value(i, depth+1); i < 0 {
			return -1
		}
		switch i = s.space(i); s.at(i) {
		case ',':
			i = s.space(i + 1)
		case ']':
			return i + 1
		default:
			return s.fail(i, "a comma or the array's end")
		}
	}
}

func (s *scanner) word(i int, word string) int {
	for k := range len(word) {
		if s.at(i+k) != word[k] {
			return s.fail(i+k, word)
		}
	}
	return i + len(word)
}

func isDigit(c byte) bool { return c-'0' < 10 }

func (s *scanner) digits(i int) int {
	if !isDigit(s.at(i)) {
		return s.fail(i, "a digit")
	}
	for i < len(s.text) && isDigit(s.text[i]) {
		i++
	}
	return i
}

func (s *scanner) number(i int) int {
	if s.text[i] == '-' {
		i++
	}
	if s.at(i) == '0' {
		i++
	} else if i = s.digits(i); i < 0 {
		return -1
	}
	if s.at(i) == '.' {
		if i = s.digits(i + 1); i < 0 {
			return -1
		}
	}
	if c := s.at(i); c == 'e' || c == 'E' {
		if c = s.at(i + 1); c == '+' || c == '-' {
			i++
		}
		return s.digits(i + 1)
	}
	return i
}

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain gives the index of the first byte from i on that is not ASCII or does not
// stand for itself in a JSON string. It looks at eight bytes at a time: the lowest
// one that is flagged is right (those above it may be flagged by a borrow).
func plain(text []byte, i int) int {
	for ; i+8 <= len(text); i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		flags := (x - ' '*lows) | ((x ^ '"'*lows) - lows) | ((x ^ '\\'*lows) - lows) | x
		if flags &= highs; flags != 0 {
			return i + bits.TrailingZeros64(flags)/8
		}
	}
	for i < len(text) && text[i] >= ' ' && text[i] < utf8.RuneSelf && text[i] != '"' && text[i] != '\\' {
		i++
	}
	return i
}

// str reads what follows the opening quote.
func (s *scanner) str(i int) int {
	for {
		i = plain(s.text, i)
		switch c := s.at(i); {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = s.escape(i + 1); i < 0 {
				return -1
			}
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(s.text[i:])
			if r == utf8.RuneError && size == 1 {
				return s.fail(i, "valid UTF-8")
			}
			i += size
		default:
			return s.fail(i, "the rest of a string")
		}
	}
}

// escape reads what follows a backslash.
func (s *scanner) escape(i int) int {
	s.escaped = true
	switch s.at(i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		for k := i + 1; k <= i+4; k++ {
			if hexDigit(s.at(k)) < 0 {
				return s.fail(k, "a hexadecimal digit")
			}
		}
		return i + 5
	}
	return s.fail(i, "an escape")
}

func hexDigit(c byte) rune {
	switch {
	case isDigit(c):
		return rune(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return -1
}

// found names what text begins with.
func found(text []byte) string {
	if len(text) == 0 {
		return "the end"
	}
	c := text[0]
	switch r, size := utf8.DecodeRune(text); {
	case r == utf8.RuneError && size == 1:
		return "a byte that is not UTF-8"
	case c >= utf8.RuneSelf:
		return "a character beyond ASCII"
	case isDigit(c):
		return "a digit"
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return "a letter"
	case c < ' ' || c == 0x7f:
		return "a control character"
	}
	return "'" + string(c) + "'"
}
