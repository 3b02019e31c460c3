package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/connectors/kafka"
	"github.com/penstock-io/penstock/connectors/watermill"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

func newDeadLetters(c Components) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dead-letters",
		Short: "Look at records that were refused, and give them back to the source",
		Long: `Look at records that were refused, and give them back to the source.

They are those that on_error has sent to dead letters: list tells why each was
refused, show what it held, and replay puts it back where it came from, after what
was wrong was mended. Pipelines may be running meanwhile.`,
		SuggestionsMinimumDistance: 2,
		Args:                       noSuchCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDeadLettersList(c), newDeadLettersShow(c), newDeadLettersReplay(c))
	return cmd
}

func newDeadLettersList(c Components) *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "list FILE…",
		Short: "Show which records of the pipelines were refused, and why",
		Long: `Show which records of the pipelines were refused, by whom, why, and where they came
from: the oldest first, without those that were given back, and without what they
hold (see show; --json gives that too).`,
		Args: takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			pipelines, err := c.parse(args)
			if err != nil {
				return err
			}
			if limit < 1 {
				return invalid{fmt.Errorf("--limit %d: write 1 or more", limit)}
			}
			var all []letterList
			for _, p := range pipelines {
				list, err := c.listLetters(cmd.Context(), cmd.ErrOrStderr(), p, limit)
				if err != nil {
					return fmt.Errorf("pipeline %s: %w", p.Name, err)
				}
				all = append(all, list)
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), all)
			}
			var errs []error
			for _, list := range all {
				errs = append(errs, list.write(cmd.OutOrStdout()))
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	cmd.Flags().IntVar(&limit, "limit", 100, "show so many letters of a pipeline at most; all are counted")
	return cmd
}

// letterList is what list tells of a pipeline.
type letterList struct {
	Pipeline string       `json:"pipeline"`
	At       string       `json:"at"`
	Kept     string       `json:"kept"` // where
	Count    int          `json:"count"`
	Letters  []letterJSON `json:"letters"`

	shown []pipeline.DeadLetter
}

func (c Components) listLetters(ctx context.Context, log io.Writer, p *config.Pipeline, limit int) (letterList, error) {
	list := letterList{Pipeline: p.Name, At: p.At.String(), Kept: whereTo(deadLetters(p)), Letters: []letterJSON{}}
	err := c.withLetters(p, log, func(kept pipeline.DeadLetterReader, _ *built) error {
		return kept.Each(ctx, func(l pipeline.DeadLetter) bool {
			if list.Count++; list.Count <= limit {
				list.Letters = append(list.Letters, jsonOf(l))
				list.shown = append(list.shown, pipeline.DeadLetter{ID: l.ID, Time: l.Time, Stage: l.Stage, Shard: l.Shard, Offset: l.Offset, Error: l.Error})
			}
			return true
		})
	})
	return list, err
}

// write writes a list for people.
func (l letterList) write(out io.Writer) error {
	errs := []error{writeLine(out, "%s (%s): %s in %s\n", l.Pipeline, l.At, count(l.Count, "dead letter"), l.Kept)}
	if l.Count == 0 {
		return errs[0]
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	errs = append(errs, writeLine(table, "id\trefused\tby\tfrom\twhy\n"))
	for _, one := range l.shown {
		errs = append(errs, writeLine(table, "%s\t%s\t%s\t%s %s\t%s\n", one.ID, one.Time.UTC().Format(time.RFC3339), one.Stage, one.Shard, one.Offset, short(one.Error)))
	}
	errs = append(errs, table.Flush())
	if more := l.Count - len(l.shown); more > 0 {
		errs = append(errs, writeLine(out, "… and %d more; --limit shows them\n", more))
	}
	return errors.Join(errs...)
}

// short cuts a text to what stands in a line.
func short(text string) string {
	const most = 100
	text = printable(strings.ReplaceAll(text, "\n", " "))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func newDeadLettersShow(c Components) *cobra.Command {
	var asJSON bool
	var name string
	cmd := &cobra.Command{
		Use:   "show FILE ID…",
		Short: "Show all of some dead letters, also what they hold",
		Args:  takes(2, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := c.pick(args[0], name)
			if err != nil {
				return err
			}
			letters := []letterJSON{}
			err = c.withLetters(p, cmd.ErrOrStderr(), func(kept pipeline.DeadLetterReader, _ *built) error {
				return eachNamed(cmd.Context(), kept, args[1:], func(l pipeline.DeadLetter) error {
					if asJSON {
						letters = append(letters, jsonOf(l))
						return nil
					}
					return writeLetter(cmd.OutOrStdout(), l)
				})
			})
			if err != nil {
				return fmt.Errorf("pipeline %s: %w", p.Name, err)
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), letters)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	cmd.Flags().StringVar(&name, "pipeline", "", "which pipeline of the file, where it holds several")
	return cmd
}

// eachNamed gives use the letters that are named, all where none is. An error where one
// is not there.
func eachNamed(ctx context.Context, kept pipeline.DeadLetterReader, ids []string, use func(pipeline.DeadLetter) error) error {
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	var failed error
	err := kept.Each(ctx, func(l pipeline.DeadLetter) bool {
		if len(ids) > 0 && !wanted[l.ID] {
			return true
		}
		delete(wanted, l.ID)
		failed = use(l)
		return failed == nil && (len(ids) == 0 || len(wanted) > 0)
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	for _, id := range ids {
		if wanted[id] {
			return &pipeline.Error{Class: pipeline.Permanent, What: "there is no dead letter " + id, Do: "see penstock dead-letters list; one that was given back is not shown"}
		}
	}
	return nil
}

// withLetters opens where the dead letters of a pipeline are, and its source.
func (c Components) withLetters(p *config.Pipeline, log io.Writer, use func(pipeline.DeadLetterReader, *built) error) error {
	place := deadLetters(p)
	if place == (config.DeadLetter{}) {
		return &pipeline.Error{Class: pipeline.Permanent, What: "nothing of it goes to dead letters", Do: "see on_error in configs/README.md"}
	}
	b, err := c.build(p, Environment{Log: newLogger(log, isTerminal(log)), Clock: time.Now}, runSettings{})
	if err != nil {
		return err
	}
	defer b.close()
	if b.letters != nil {
		return use(b.letters, b)
	}
	var at kafka.Connection
	switch s := p.Sink.Settings.(type) {
	case *kafka.SinkSettings:
		at = s.Connection
	case *watermill.KafkaSinkSettings:
		at.Brokers = s.Brokers
	}
	kept, err := kafka.NewLetters(at, place.Kafka.Topic, p.Name)
	if err != nil {
		return invalid{fmt.Errorf("%s: %w", p.Sink.At, err)}
	}
	defer kept.Close() //nolint:errcheck // nothing depends on it
	return use(kept, b)
}
