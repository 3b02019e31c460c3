// Package sdktest tries a plugin within a test, without a process: its settings are read and
// its transform is called as Penstock would have it.
package sdktest

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/plugins/sdk"
)

// One gives what becomes of a record with a value: the values of what goes on, a line each,
// "refused: " with the reason, or nothing. settings are JSON; the test fails where they are
// refused.
func One[S any](tb testing.TB, p sdk.Plugin[S], settings, value string) string {
	tb.Helper()
	all := Apply(tb, p, settings, sdk.Given{Value: value})
	lines := make([]string, len(all[0]))
	for i, r := range all[0] {
		lines[i] = r.Value
		if r.Refused != "" {
			lines[i] = "refused: " + r.Refused
		}
	}
	return strings.Join(lines, "\n")
}

// Apply gives what becomes of each of some records, in one batch.
func Apply[S any](tb testing.TB, p sdk.Plugin[S], settings string, records ...sdk.Given) [][]sdk.Became {
	tb.Helper()
	all, problems, err := p.Try(tb.Context(), settings, records...)
	for _, problem := range problems {
		tb.Errorf("settings: %s %s; %s", problem.Field, problem.What, problem.Do)
	}
	if err != nil || len(problems) > 0 {
		tb.Fatal("the plugin has failed:", err)
	}
	return all
}

// Problems gives what the plugin says against settings: "field: what".
func Problems[S any](tb testing.TB, p sdk.Plugin[S], settings string) []string {
	tb.Helper()
	_, problems, err := p.Try(tb.Context(), settings)
	if err != nil {
		tb.Fatal(err)
	}
	all := make([]string, len(problems))
	for i, problem := range problems {
		all[i] = problem.Field + ": " + problem.What
	}
	return all
}
