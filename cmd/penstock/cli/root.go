package cli

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/penstock-io/penstock/pipeline/config"
)

// newRoot makes the command line.
func newRoot(c Components) *cobra.Command {
	root := &cobra.Command{
		Use:   cmp.Or(c.Name, penstockName),
		Short: "Moves records from Redis to Kafka, exactly once, in order",
		Long: `Moves records from Redis to Kafka, exactly once, in order.

Exit codes: 0 done; 1 failed while running; 2 a file or the flags are wrong;
3 something outside cannot be reached.`,
		Example:       "  penstock demo\n  penstock validate user-behavior.yaml\n  penstock run user-behavior.yaml",
		SilenceUsage:  true,
		SilenceErrors: true,

		SuggestionsMinimumDistance: 2,
		Args:                       noSuchCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return invalid{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(newNew(c), newRun(c), newServe(c), newToken(), newVersion(), newCtl(), newValidate(c), newTest(c), newPreview(c), newExplain(c), newSchema(c), newComponents(c), newDemo(c), newPositions(c), newDeadLetters(c), newPlugin())
	rename(root)
	return root
}

// penstockName is what the program is called, unless somebody has built one of their own.
const penstockName = "penstock"

// rename has the examples say what the program is called.
func rename(cmd *cobra.Command) {
	cmd.Example = strings.ReplaceAll(cmd.Example, "  "+penstockName+" ", "  "+cmd.Root().Name()+" ")
	for _, sub := range cmd.Commands() {
		rename(sub)
	}
}

// noSuchCommand refuses what is no command.
func noSuchCommand(root *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	do := "see " + root.CommandPath() + " --help"
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		do = "did you mean " + slices.MinFunc(near, func(a, b string) int {
			return levenshtein.ComputeDistance(a, args[0]) - levenshtein.ComputeDistance(b, args[0])
		}) + "?"
	}
	return invalid{fmt.Errorf("there is no command %q; %s", args[0], do)}
}

// takes refuses fewer or more arguments than a command takes.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		write := cmd.Parent().CommandPath() + " " + cmd.Use
		switch {
		case len(args) < least:
			return invalid{fmt.Errorf("something is missing; write %s", write)}
		case len(args) > most:
			return invalid{fmt.Errorf("%q is too much; write %s", args[most], write)}
		}
		return nil
	}
}

// newLogger logs text to a terminal, and JSON to anything else.
func newLogger(w io.Writer, terminal bool) *slog.Logger {
	return slog.New(newHandler(w, terminal, nil))
}

func newHandler(w io.Writer, terminal bool, level slog.Leveler) slog.Handler {
	if terminal {
		return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
	}
	return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) //nolint:gosec // a file descriptor is small
}

// parse reads pipeline files with the environment of the process.
func (c Components) parse(names []string) ([]*config.Pipeline, error) {
	return c.parseBy(names, os.ReadFile)
}

// parseBy reads pipeline files through read. Files of tests, which a pattern like *.yaml
// names too, are passed over.
func (c Components) parseBy(names []string, read func(name string) ([]byte, error)) ([]*config.Pipeline, error) {
	var files []config.File
	for _, name := range names {
		if config.HoldsTests(name) {
			continue
		}
		data, err := read(name)
		if err != nil {
			return nil, invalid{err}
		}
		files = append(files, config.File{Name: name, Data: data})
	}
	if len(files) == 0 {
		return nil, invalid{fmt.Errorf("%s holds tests of the pipelines beside it; name the pipeline file", names[0])}
	}
	return c.parseFiles(os.LookupEnv, files...)
}

// parseFiles reads pipeline files, and finds every mistake.
func (c Components) parseFiles(env func(string) (string, bool), files ...config.File) ([]*config.Pipeline, error) {
	return c.parseWith(config.Lookup{Env: env, ReadFile: os.ReadFile}, files...)
}

// parseWith is parseFiles with something else that variables stand for.
func (c Components) parseWith(lookup config.Lookup, files ...config.File) ([]*config.Pipeline, error) {
	pipelines, err := config.Parse(c.catalog(), lookup, files...)
	if err != nil {
		return nil, err
	}
	var errs config.Errors
	for _, p := range pipelines {
		errs = append(append(errs, checkPipeline(p)...), append(c.checkWritten(p), c.checkStores(p)...)...)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return pipelines, nil
}
