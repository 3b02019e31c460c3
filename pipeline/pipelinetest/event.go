package pipelinetest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"strconv"
)

// event is what the judge needs of an event.
type event struct {
	id, user []byte // parts of the record's value
	seq      int
}

// The ways in which a record can be corrupt.
var (
	errNotEvent = errors.New("not a JSON object with event_id, user_id, seq and sum")
	errSum      = errors.New("its sum is wrong")
	errID       = errors.New("its event_id is not user_id-seq")
	errKey      = errors.New("its key is not its user_id")
)

var sumField = []byte(`,"sum":"`)

// parseEvent reads an event and checks that it is whole: its sum, and that it
// names itself consistently. Fields may be added behind the sum.
func parseEvent(key, value []byte) (event, error) {
	e, err := scanEvent(value)
	if err != nil {
		return e, err
	}
	at := bytes.LastIndex(value, sumField)
	digits := value[at+len(sumField):]
	var sum [4]byte
	if at < 0 || len(digits) < 9 || digits[8] != '"' {
		return e, errNotEvent
	}
	if _, err := hex.Decode(sum[:], digits[:8]); err != nil {
		return e, errNotEvent
	}
	if binary.BigEndian.Uint32(sum[:]) != crc32.ChecksumIEEE(value[:at]) {
		return e, errSum
	}
	user, seq, ok := bytes.Cut(e.id, []byte("-"))
	if n, valid := decimal(seq); !ok || !valid || n != e.seq || !bytes.Equal(user, e.user) {
		return e, errID
	}
	if !bytes.Equal(key, e.user) {
		return e, errKey
	}
	return e, nil
}

// scanEvent goes once through the top level of an object. It knows only as much
// of JSON as it takes to find fields and the object's end; the sum does the rest.
func scanEvent(b []byte) (event, error) {
	var e event
	found := 0
	s := scanner{b: b}
	if !s.take('{') {
		return e, errNotEvent
	}
	for {
		key, ok := s.text()
		if !ok || !s.take(':') {
			return e, errNotEvent
		}
		value, ok := s.value()
		if !ok {
			return e, errNotEvent
		}
		switch string(key) {
		case "event_id":
			e.id = unquote(value)
			found |= 1
		case "user_id":
			e.user = unquote(value)
			found |= 2
		case "seq":
			if e.seq, ok = decimal(value); !ok {
				return e, errNotEvent
			}
			found |= 4
		}
		if s.take(',') {
			continue
		}
		if s.take('}') && s.at == len(b) && found == 1|2|4 {
			return e, nil
		}
		return e, errNotEvent
	}
}

// scanner walks through JSON without white space, which is how events are made.
type scanner struct {
	b  []byte
	at int
}

func (s *scanner) take(c byte) bool {
	if s.at < len(s.b) && s.b[s.at] == c {
		s.at++
		return true
	}
	return false
}

// text takes a string and gives what is between its quotes, escapes as they are.
func (s *scanner) text() ([]byte, bool) {
	if !s.take('"') {
		return nil, false
	}
	from := s.at
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return s.b[from : s.at-1], true
		}
		s.at++
	}
	return nil, false
}

// value takes a value up to the comma or brace behind it.
func (s *scanner) value() ([]byte, bool) {
	from, depth := s.at, 0
	for s.at < len(s.b) {
		switch s.b[s.at] {
		case '"':
			if _, ok := s.text(); !ok {
				return nil, false
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return s.b[from:s.at], s.at > from
			}
			depth--
		case ',':
			if depth == 0 {
				return s.b[from:s.at], s.at > from
			}
		}
		s.at++
	}
	return nil, false
}

// unquote gives what is between quotes, or nil.
func unquote(b []byte) []byte {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return nil
	}
	return b[1 : len(b)-1]
}

// decimal reads a number of at most nine digits without leading zeros.
func decimal(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 9 || b[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b), 10, 32)
	return int(n), err == nil
}
