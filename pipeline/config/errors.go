package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxErrors is how many mistakes are told at once.
const maxErrors = 200

// Place is a place in a file. Line and Col count from 1, Col in characters.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
}

// String gives file:line:col.
func (p Place) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Error is one mistake in a file.
type Error struct {
	At   Place  `json:"at"`
	What string `json:"what"` // what is wrong
	Do   string `json:"do"`   // what to write
}

// Error gives "file:line:col: what is wrong; what to write".
func (e Error) Error() string { return e.At.String() + ": " + e.What + "; " + e.Do }

// Errors is every mistake of some files: in the order in which the files were
// given, then by line and column. It is never empty where it is an error.
type Errors []Error

// Error gives the mistakes, one a line.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// sorted orders the mistakes of one file and removes doubles.
func (e Errors) sorted() Errors {
	slices.SortStableFunc(e, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.At.Line, b.At.Line), cmp.Compare(a.At.Col, b.At.Col))
	})
	return slices.Compact(e)
}
