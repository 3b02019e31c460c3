package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline/server"
)

// ServerEnv and TokenEnv name the variables that say which server is driven, and as whom.
const (
	ServerEnv = "PENSTOCK_SERVER"
	TokenEnv  = "PENSTOCK_TOKEN"
)

func newCtl() *cobra.Command {
	remote := &remote{}
	cmd := &cobra.Command{
		Use:   "ctl COMMAND",
		Short: "Drive a server from the shell",
		Long: `Drive a server (penstock serve) from the shell.

Which one, --server says, or $PENSTOCK_SERVER; where it asks for tokens, $PENSTOCK_TOKEN holds
one (penstock token new).`,
		Example: "  penstock ctl list\n  penstock ctl apply user-behavior.yaml\n  penstock ctl pause user-behavior",
		Args:    takes(1, math.MaxInt),
		RunE:    noSuchCommand,
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&remote.server, "server", "", "where the server answers (default $"+ServerEnv+", or http://127.0.0.1:8083)")
	flags.StringVar(&remote.ca, "ca", "", "a file of certificate authorities to trust, PEM; default: the system's")
	cmd.AddCommand(newCtlList(remote), newCtlGet(remote), newCtlText(remote), newCtlApply(remote), newCtlDelete(remote), newCtlPositions(remote),
		newCtlTurn(remote, "pause", "Have pipelines read nothing until they are resumed"),
		newCtlTurn(remote, "resume", "Have pipelines run"),
		newCtlTurn(remote, "stop", "Have pipelines settle what is under way, and free their connections"),
		newCtlTurn(remote, "restart", "End runs, and begin others"))
	return cmd
}

func newCtlList(r *remote) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show what each pipeline does",
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var found struct {
				Pipelines []server.Status   `json:"pipelines"`
				Files     map[string]string `json:"files"`
			}
			if err := r.get(cmd.Context(), "/v1/pipelines", &found); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), found)
			}
			return writeStatuses(cmd.OutOrStdout(), found.Pipelines, found.Files)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	return cmd
}

// writeStatuses writes a line a pipeline, and what is wrong with files.
func writeStatuses(out io.Writer, all []server.Status, files map[string]string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tSINCE\tROUTE\tWRITTEN\tREFUSED\tLAG\tREASON") //nolint:errcheck // Flush tells
	for _, s := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", s.Name, s.State, s.Since.Local().Format(time.DateTime), s.Route, //nolint:errcheck // Flush tells
			s.Figures.Written, s.Figures.Dropped+s.Figures.DeadLettered, lagText(s.Figures.Lag), printable(firstLine(strings.TrimPrefix(s.Reason+"; "+s.Problem, "; "))))
	}
	errs := []error{table.Flush()}
	for _, name := range sortedKeys(files) {
		errs = append(errs, writeLine(out, "\n%s is wrong: %s\n", printable(name), printable(files[name])))
	}
	return errors.Join(errs...)
}

func lagText(lag map[string]int64) string {
	if lag == nil {
		return "-"
	}
	sum := int64(0)
	for _, n := range lag {
		sum += n
	}
	return fmt.Sprint(sum)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSuffix(text, "; "), "\n")
	return line
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func newCtlGet(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "get NAME…",
		Short: "Show all that is known of pipelines, as JSON",
		Args:  takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, names []string) error {
			return each(names, func(name string) error {
				var status server.Status
				if err := r.get(cmd.Context(), pathOf(name), &status); err != nil {
					return err
				}
				return writeJSON(cmd.OutOrStdout(), status)
			})
		},
	}
}

func newCtlText(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "text NAME",
		Short: "Show a pipeline's YAML, secrets masked; applied again, they stay what they are",
		Args:  takes(1, 1),
		RunE: func(cmd *cobra.Command, names []string) error {
			text, err := r.call(cmd.Context(), http.MethodGet, pathOf(names[0])+"/text", nil)
			if err == nil {
				_, err = cmd.OutOrStdout().Write(text)
			}
			return err
		},
	}
}

func newCtlPositions(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "positions NAME",
		Short: "Show how far each shard of a pipeline is delivered, as JSON",
		Args:  takes(1, 1),
		RunE: func(cmd *cobra.Command, names []string) error {
			var found json.RawMessage
			if err := r.get(cmd.Context(), pathOf(names[0])+"/positions", &found); err != nil {
				return err
			}
			return writeJSON(cmd.OutOrStdout(), found)
		},
	}
}

func newCtlApply(r *remote) *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:   "apply FILE…",
		Short: "Add pipelines, or give them other texts",
		Long: `Add pipelines, or give them other texts: each file holds one. What runs goes on until the
other one was made and reaches its servers, and again where that does not start: the answer
says why then.`,
		Args: takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, files []string) error {
			return each(files, func(file string) error {
				text, err := os.ReadFile(file)
				if err != nil {
					return invalid{err}
				}
				status, err := r.apply(cmd.Context(), text, state)
				if err != nil {
					return fmt.Errorf("%s: %w", file, err)
				}
				return writeLine(cmd.OutOrStdout(), "%s: %s, revision %d\n", status.Name, status.State, status.Revision)
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", string(server.Running), "what a pipeline that is added is to do: RUNNING, PAUSED or STOPPED")
	return cmd
}

func newCtlDelete(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME…",
		Short: "End pipelines and forget them; their positions stay where they are",
		Args:  takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, names []string) error {
			return each(names, func(name string) error {
				_, err := r.call(cmd.Context(), http.MethodDelete, pathOf(name), nil)
				if err != nil {
					return err
				}
				return writeLine(cmd.OutOrStdout(), "%s is gone\n", name)
			})
		},
	}
}

func newCtlTurn(r *remote, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " NAME…",
		Short: short,
		Args:  takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, names []string) error {
			return each(names, func(name string) error {
				text, err := r.call(cmd.Context(), http.MethodPost, pathOf(name)+"/"+verb, nil)
				if err != nil {
					return err
				}
				var status server.Status
				if err := json.Unmarshal(text, &status); err != nil {
					return err
				}
				return writeLine(cmd.OutOrStdout(), "%s: %s\n", status.Name, status.State)
			})
		},
	}
}

// each does something for all, whatever becomes of the others.
func each(all []string, do func(string) error) error {
	var errs []error
	for _, one := range all {
		errs = append(errs, do(one))
	}
	return errors.Join(errs...)
}

func pathOf(name string) string { return "/v1/pipelines/" + url.PathEscape(name) }
