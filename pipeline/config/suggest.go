package config

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// suggest says what to write instead of a name that is not known: the nearest one
// that is, or all of them.
func suggest(name string, known []string) string {
	if best := nearestName(name, known); best != "" {
		return "write " + best
	}
	if len(known) < 2 {
		return "write " + strings.Join(known, "")
	}
	return "write one of " + strings.Join(known, ", ")
}

// nearestName gives the known name that was probably meant; empty: none is near.
func nearestName(name string, known []string) string {
	const longest = 64
	best, least := "", max(2, len(name)/3)+1
	for _, candidate := range known {
		if len(name) > longest {
			break
		}
		if distance := levenshtein.ComputeDistance(strings.ToLower(name), candidate); distance < least {
			best, least = candidate, distance
		}
	}
	return best
}
