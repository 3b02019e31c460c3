package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline/config"
)

func newValidate(c Components) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate FILE…",
		Short: "Tell every mistake in pipeline files, and connect to nothing",
		Long: `Tell every mistake in pipeline files, and connect to nothing.

A line a mistake: file:line:column: what is wrong; what to write. Exit code 2 where
there is one. Tests are looked at too, and not run. Plugins are started, to look at their
settings, and ended.`,
		Args: takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			pipelines, err := c.parseTests(args, os.ReadFile)
			if err == nil {
				err = c.checkPlugins(cmd.Context(), pipelines, newLogger(cmd.ErrOrStderr(), isTerminal(cmd.ErrOrStderr())))
			}
			if asJSON {
				return validateJSON(cmd.OutOrStdout(), pipelines, err)
			}
			if err != nil {
				return err
			}
			var s strings.Builder
			for _, p := range pipelines {
				fmt.Fprintf(&s, "%s: %s is valid: %s → %s, %s\n", p.At.File, p.Name, p.Source.Component, p.Sink.Component, p.Delivery)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), s.String())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	return cmd
}

// verdict is what validate --json answers.
type verdict struct {
	Valid     bool          `json:"valid"`
	Pipelines []string      `json:"pipelines"` // names; empty unless valid
	Mistakes  config.Errors `json:"mistakes"`
}

func validateJSON(out io.Writer, pipelines []*config.Pipeline, err error) error {
	v := verdict{Valid: err == nil, Pipelines: []string{}, Mistakes: config.Errors{}}
	mistakes, known := errors.AsType[config.Errors](err)
	switch {
	case known:
		v.Mistakes = mistakes
	case err != nil:
		return err // a file that cannot be read is nobody's mistake in it
	}
	for _, p := range pipelines {
		v.Pipelines = append(v.Pipelines, p.Name)
	}
	if err := writeJSON(out, v); err != nil {
		return err
	}
	if known {
		return reported{mistakes}
	}
	return nil
}

func writeJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
