package main

import (
	"fmt"
	"strings"
)

// scenarios lists all of them, in the order of the table.
var scenarios = []scenario{
	{
		name: "kill", what: "Penstock is killed (SIGKILL) at random moments and at each named point",
		shapes: []shape{list, stream, group}, rate: 3000, counted: true, faults: kills,
	},
}

// describeAll lists the scenarios for people.
func describeAll() string {
	var all strings.Builder
	for _, s := range scenarios {
		length := ""
		if s.long {
			length = " (only with --long, or by name)"
		}
		fmt.Fprintf(&all, "  %-14s %s%s\n", s.name, s.what, length)
	}
	return all.String()
}

// whatOf gives the sentence of a scenario.
func whatOf(name string) string {
	for _, s := range scenarios {
		if s.name == name {
			return s.what
		}
	}
	return name
}
