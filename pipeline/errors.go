package pipeline

import (
	"errors"
	"strings"
)

// Class says who can help against an error.
type Class uint8

// The classes. An error without a class is Retryable: nothing is given up for
// a reason that nobody has understood.
const (
	// Retryable passes by itself: rewind to the committed position and go on.
	Retryable Class = iota
	// Unreachable is Retryable, and means that a server does not answer.
	Unreachable
	// Permanent does not pass: of a record, on_error decides; else the
	// pipeline halts.
	Permanent
	// Gap means that what the source holds does not continue the committed
	// position. The pipeline halts unless on_gap says otherwise.
	Gap
	// Fenced means that another instance has taken over. The pipeline stops, or
	// stands by where it has a lease.
	Fenced
)

// String gives the class as one lower-case word.
func (c Class) String() string {
	return [...]string{"retryable", "unreachable", "permanent", "gap", "fenced"}[c]
}

// ErrEnd is what a Reader's Wait says at the end of a shard to which nothing will
// be added any more. It is not io.EOF, which a lost connection can be as well.
var ErrEnd = errors.New("the shard has ended")

// Error is an error with a class, for people: What happened (and where), and
// what to Do about it. Payloads and secrets never stand in it.
type Error struct {
	Class Class
	What  string
	Do    string // empty: nothing to do but wait
	Err   error  // the cause; nil: none
}

// Error gives "what: cause; do".
func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString(e.What)
	if e.Err != nil {
		s.WriteString(": ")
		s.WriteString(e.Err.Error())
	}
	if e.Do != "" {
		s.WriteString("; ")
		s.WriteString(e.Do)
	}
	return s.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf gives the class of the outermost Error in err's chain, Retryable
// where there is none.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return Retryable
}
