package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/host"
	"github.com/penstock-io/penstock/plugins/host/trial"
)

func newPlugin() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin COMMAND",
		Short: "Look at plugins: programs that transform records",
		Long:  "Look at plugins: programs that transform records. plugins/README.md says how one is written.",
		Args:  takes(1, math.MaxInt),
		RunE:  noSuchCommand,
	}
	cmd.AddCommand(newPluginNew(), newPluginDescribe(), newPluginVerify(), newPluginTest())
	return cmd
}

// pluginOf makes the plugin of a command line.
func pluginOf(cmd *cobra.Command, command []string, settings map[string]any) (*host.Plugin, error) {
	s := host.Settings{Command: command, Settings: settings, Timeout: trial.Patience, Instances: 1}
	return host.New(s, "penstock-plugin-"+cmd.Name(), ".", newLogger(cmd.ErrOrStderr(), isTerminal(cmd.ErrOrStderr())))
}

func newPluginDescribe() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "describe PROGRAM [ARGUMENT…]",
		Short: "Tell what a plugin says of itself and its settings",
		Args:  takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := pluginOf(cmd, args, nil)
			if err != nil {
				return err
			}
			d, err := p.Describe(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), map[string]any{"name": d.Name, "version": d.Version, "doc": d.Doc, "values": strings.ToLower(d.Values.String()), "schema": d.Schema, "example": d.Example})
			}
			return writeDescription(cmd.OutOrStdout(), d.Name, d.Version, d.Doc, strings.ToLower(d.Values.String()), d.Schema, d.Example)
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	return cmd
}

func writeDescription(out io.Writer, name, version, doc, values, schema, example string) error {
	errs := []error{writeLine(out, "%s %s: %s\n\nvalues arrive %s\n", printable(name), printable(version), printable(doc), values)}
	if example != "" {
		errs = append(errs, writeLine(out, "\nsettings, for example:\n  %s\n", strings.ReplaceAll(strings.TrimSpace(example), "\n", "\n  ")))
	}
	if schema != "" {
		errs = append(errs, writeLine(out, "\nsettings, as a JSON Schema:\n%s\n", strings.TrimSpace(schema)))
	}
	return errors.Join(errs...)
}

func newPluginVerify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify PROGRAM [ARGUMENT…]",
		Short: "Print the SHA-256 to pin a plugin by, and start nothing",
		Long: `Print the SHA-256 to pin a plugin by, and start nothing.

It is that of the program, or, where there are files among the arguments or the program
is an interpreter named without a path, that of what sha256sum would print of those files.
Write it as sha256 beside command in the pipeline file.`,
		Args: takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := pluginOf(cmd, args, nil)
			if err != nil {
				return err
			}
			sum, files, err := p.Digest()
			if err != nil {
				return err
			}
			return errors.Join(writeLine(cmd.OutOrStdout(), "%s\n", sum), writeLine(cmd.ErrOrStderr(), "of %s\n", strings.Join(files, ", ")))
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func newPluginTest() *cobra.Command {
	var settings, file string
	cmd := &cobra.Command{
		Use:   "test PROGRAM [ARGUMENT…]",
		Short: "Try whether a program keeps to the protocol of plugins",
		Long: `Try whether a program keeps to the protocol of plugins: handshake, settings, batches of
every size and several at once, a record that is as large as may be, one that ends in the
middle, and the end of the process. A line each; exit code 1 where one fails.

It tells what became of the records, and, with --records, of yours. What should, it cannot
know: write tests: in a pipeline file, and say penstock test.`,
		Example: "  penstock plugin test ./redact\n  penstock plugin test --records events.jsonl --settings '{\"fields\": [\"ua\"]}' ./redact",
		Args:    takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			given, err := settingsOf(settings)
			if err != nil {
				return invalid{err}
			}
			records, err := linesOf(file)
			if err != nil {
				return invalid{err}
			}
			return tryPlugin(cmd.Context(), cmd.OutOrStdout(), trial.All(records), func(change func(map[string]any) map[string]any) (*host.Plugin, error) {
				return pluginOf(cmd, args, change(given))
			})
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().StringVar(&settings, "settings", "{}", "the plugin's settings, as JSON")
	cmd.Flags().StringVar(&file, "records", "", "a file of records to try it with too, a JSON value a line")
	return cmd
}

// linesOf gives the lines of a file that hold something; none where there is no file.
func linesOf(file string) (lines []string, err error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--records: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if !json.Valid([]byte(line)) {
			return nil, fmt.Errorf("--records: record %d of %s is no JSON", len(lines)+1, file)
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// settingsOf reads the settings of a command line.
func settingsOf(text string) (map[string]any, error) {
	settings := map[string]any{}
	in := json.NewDecoder(strings.NewReader(text))
	in.UseNumber()
	if err := in.Decode(&settings); err != nil {
		return nil, fmt.Errorf("--settings: %w; write a JSON object", err)
	}
	return settings, nil
}

// tryPlugin carries out the trials, and tells how each went.
func tryPlugin(ctx context.Context, out io.Writer, trials []trial.Trial, plugin trial.Maker) error {
	passed, failed := 0, 0
	var errs []error
	for _, t := range trials {
		var found trial.Found
		err := t.Try(ctx, plugin, &found)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			passed++
			line := t.Name
			if text := found.String(); text != "" {
				line += ": " + printable(text)
			}
			errs = append(errs, writeLine(out, "ok      %s\n", line))
			continue
		}
		failed++
		errs = append(errs, writeLine(out, "FAILED  %s: %s\n", t.Name, printable(err.Error())))
	}
	errs = append(errs, writeLine(out, "%d passed, %d failed\n", passed, failed))
	if failed > 0 {
		errs = append(errs, &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("%d of %d trials failed", failed, passed+failed)})
	}
	return errors.Join(errs...)
}
