package server

import (
	"errors"
	"fmt"

	"github.com/penstock-io/penstock/pipeline/config"
)

// Kind is what is wrong with a request, for who answers it.
type Kind uint8

// The kinds.
const (
	Invalid  Kind = iota // the text, or what is asked for
	Missing              // there is no such pipeline
	Conflict             // it cannot be as things are
	Stale                // somebody else has changed it
)

// Error is why a server does not do what it is asked to.
type Error struct {
	Kind     Kind
	What     string
	Mistakes config.Errors // of the text, each with its place
	Err      error         // why; nil: that is all
}

// Error tells what and why.
func (e *Error) Error() string {
	switch {
	case e.Err != nil:
		return e.What + ": " + e.Err.Error()
	case len(e.Mistakes) > 0:
		return e.What + ": " + e.Mistakes.Error()
	}
	return e.What
}

func asError(err error) (*Error, bool) { return errors.AsType[*Error](err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

func missing(name string) error {
	return &Error{Kind: Missing, What: "there is no pipeline " + name}
}

func conflict(err error, what string, args ...any) error {
	return &Error{Kind: Conflict, What: fmt.Sprintf(what, args...), Err: err}
}
