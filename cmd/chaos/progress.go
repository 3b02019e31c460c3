package main

import (
	"fmt"
	"os"

	"golang.org/x/term"
)

// progress is one line on a terminal that says what is going on. Elsewhere it
// says nothing.
type progress struct{ terminal bool }

func newProgress() progress { return progress{terminal: term.IsTerminal(int(os.Stderr.Fd()))} }

// say replaces the line.
func (p progress) say(format string, args ...any) {
	if p.terminal {
		fmt.Fprintf(os.Stderr, "\r\x1b[K"+format, args...)
	}
}

// clear removes the line.
func (p progress) clear() { p.say("") }
