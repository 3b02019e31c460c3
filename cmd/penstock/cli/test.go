package cli

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"
)

// errTestsFailed is said by the report.
var errTestsFailed = reported{errors.New("a test has failed")}

// testSettings say what becomes of the results of tests.
type testSettings struct {
	json, update bool
	junit        string
}

func newTest(c Components) *cobra.Command {
	var settings testSettings
	cmd := &cobra.Command{
		Use:   "test FILE…",
		Short: "Carry out the tests of pipeline files, and connect to nothing",
		Long: `Carry out the tests of pipeline files, and connect to nothing.

Tests stand under tests: in a pipeline file, or in a file beside it: those of
user-behavior.yaml in user-behavior.tests.yaml, as pipeline: NAME and tests:. The
records that are given go through the real formats and transforms, one after the
other, under a clock of the test's own; what becomes of them is held against what
is expected. What only the servers can refuse (a record too large) is not tried.

Exit code 1 where a test fails, 2 where a file is wrong or there is no test.`,
		Example: "  penstock test user-behavior.yaml\n  penstock test --junit report.xml *.yaml\n  penstock test --update user-behavior.yaml",
		Args:    takes(1, math.MaxInt),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.testFiles(cmd, args, settings) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&settings.json, "json", false, "answer as JSON")
	flags.StringVar(&settings.junit, "junit", "", "also write the results to this file, as JUnit XML")
	flags.BoolVar(&settings.update, "update", false, "write what came into the files, where a test fails; look at the difference before you keep it")
	return cmd
}

// testFiles carries out the tests of files and reports.
func (c Components) testFiles(cmd *cobra.Command, names []string, settings testSettings) error {
	pipelines, err := c.parseTests(names, os.ReadFile)
	if err != nil {
		return err
	}
	all, err := c.tryAll(cmd.Context(), pipelines)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return invalid{fmt.Errorf("%s: there is no test; write tests: into the file, or into %s", names[0], besideName(names[0]))}
	}
	failed := failures(all)
	if settings.update && failed > 0 {
		if all, err = c.updateTests(cmd.Context(), names, all); err != nil {
			return err
		}
	}
	if settings.junit != "" {
		if err := writeJUnit(settings.junit, all); err != nil {
			return err
		}
	}
	switch {
	case settings.json:
		err = writeJSON(cmd.OutOrStdout(), reportOf(all))
	case settings.update:
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, %d updated\n", count(len(all), "test"), failed)
	default:
		err = writeTests(cmd.OutOrStdout(), all)
	}
	if err == nil && failures(all) > 0 {
		return errTestsFailed
	}
	return err
}

func failures(all []*tried) int {
	n := 0
	for _, t := range all {
		if !t.passed() {
			n++
		}
	}
	return n
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

var (
	passStyle = lipgloss.NewStyle().Foreground(lipgloss.Green)
	failStyle = lipgloss.NewStyle().Foreground(lipgloss.Red)
)

// writeTests tells people what the tests came to; in colours on a terminal that has
// them, and where NO_COLOR does not say otherwise.
func writeTests(out io.Writer, all []*tried) error {
	_, err := lipgloss.Fprint(out, testsText(all))
	return err
}

// testsText is the report in colours.
func testsText(all []*tried) string {
	var s strings.Builder
	for i, t := range all {
		if i == 0 || all[i-1].pipeline != t.pipeline {
			fmt.Fprintf(&s, "%s (%s)\n", t.pipeline.Name, t.pipeline.At.File)
		}
		if t.passed() {
			fmt.Fprintf(&s, "  %s    %s\n", passStyle.Render("ok"), t.test.Name)
			continue
		}
		fmt.Fprintf(&s, "  %s  %s\n        %s; what is expected with -, what came with +\n", failStyle.Render("FAIL"), t.test.Name, t.test.At)
		for line := range strings.Lines(t.difference()) {
			line = strings.TrimSuffix(line, "\n")
			switch line[:1] {
			case "-":
				line = failStyle.Render(line)
			case "+":
				line = passStyle.Render(line)
			}
			s.WriteString("        " + line + "\n")
		}
	}
	fmt.Fprintf(&s, "%s, %d failed\n", count(len(all), "test"), failures(all))
	return s.String()
}

// difference shows where what came differs from what was expected, empty where it does
// not: lines with -, + or a space before them.
func (t *tried) difference() string {
	unified := udiff.Unified("", "", t.want, t.got)
	var s strings.Builder
	for line := range strings.Lines(unified) {
		switch {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		case strings.HasPrefix(line, "@@"):
			if s.Len() > 0 {
				s.WriteString("  …\n")
			}
		default:
			s.WriteString(line[:1] + " " + line[1:])
		}
	}
	return s.String()
}
