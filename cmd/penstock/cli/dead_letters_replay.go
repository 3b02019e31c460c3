package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// What is given back at once.
const (
	replayLetters = 500
	replayBytes   = 4 << 20
)

// replaying gives dead letters back.
type replaying struct {
	yes, asJSON bool
	name        string // of the pipeline, where the file holds several

	source pipeline.Returner
	kept   pipeline.DeadLetterReader
	batch  []pipeline.DeadLetter
	bytes  int
	report replayReport
}

// replayReport is what replay --json answers.
type replayReport struct {
	Pipeline  string         `json:"pipeline"`
	GivenBack int            `json:"given_back"`
	Refused   []replayRefuse `json:"refused"`
}

type replayRefuse struct {
	ID    string `json:"id"`
	Error string `json:"error"`
}

func newDeadLettersReplay(c Components) *cobra.Command {
	var r replaying
	cmd := &cobra.Command{
		Use:   "replay FILE [ID…]",
		Short: "Give dead letters back to the source, where the pipeline reads them as new records",
		Long: `Give dead letters back to the source, where the pipeline reads them as new records:
at the end of the list, stream or partition that they came from, with the value that
they came with. Those that are named, or all there are now. A letter that was given
back is not shown any more.

Each is given back at least once: a crash in between may give some back twice. A
letter that is not whole, or whose list, stream or topic the source does not read any
more, stays where it is, and so does that of a part of a record that a transform has
made several of: the others would come again. Exit code 1 then.`,
		Example: "  penstock dead-letters replay user-behavior.yaml\n  penstock dead-letters replay user-behavior.yaml 0-17 2-4",
		Args:    takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := c.pick(args[0], r.name)
			if err != nil {
				return err
			}
			if err := r.run(cmd, c, p, args[1:]); err != nil {
				return fmt.Errorf("pipeline %s: %w", p.Name, err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&r.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&r.asJSON, "json", false, "answer as JSON, once it is done; what will be is said on stderr")
	cmd.Flags().StringVar(&r.name, "pipeline", "", "which pipeline of the file, where it holds several")
	return cmd
}

func (r *replaying) run(cmd *cobra.Command, c Components, p *config.Pipeline, ids []string) error {
	return c.withLetters(p, cmd.ErrOrStderr(), func(kept pipeline.DeadLetterReader, b *built) error {
		source, ok := b.source.(pipeline.Returner)
		if !ok {
			return &pipeline.Error{Class: pipeline.Permanent, What: "nothing can be given back to the source " + p.Source.Component, Do: "take what the letters hold from penstock dead-letters list --json"}
		}
		r.source, r.kept, r.report = source, kept, replayReport{Pipeline: p.Name, Refused: []replayRefuse{}}
		if err := r.confirm(cmd, p, ids); err != nil {
			return err
		}
		if err := r.giveBack(cmd.Context(), ids); err != nil {
			return fmt.Errorf("%s given back; then: %w", count(r.report.GivenBack, "dead letter"), err)
		}
		return r.tell(cmd.OutOrStdout())
	})
}

// confirm says what will be, and asks.
func (r *replaying) confirm(cmd *cobra.Command, p *config.Pipeline, ids []string) error {
	people := cmd.OutOrStdout()
	if r.asJSON {
		people = cmd.ErrOrStderr()
	}
	counts := map[[2]string]int{}
	total := 0
	if err := eachNamed(cmd.Context(), r.kept, ids, func(l pipeline.DeadLetter) error {
		counts[[2]string{l.Shard, l.Stage}]++
		total++
		return nil
	}); err != nil {
		return err
	}
	if total == 0 {
		return &pipeline.Error{Class: pipeline.Permanent, What: "there are no dead letters in " + whereTo(deadLetters(p)) + " that were not given back"}
	}
	table := tabwriter.NewWriter(people, 0, 0, 2, ' ', 0)
	errs := []error{writeLine(table, "letters\tback to\trefused by\n")}
	keys := make([][2]string, 0, len(counts))
	for key := range counts {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b [2]string) int { return strings.Compare(a[0]+"\x00"+a[1], b[0]+"\x00"+b[1]) })
	for _, key := range keys {
		errs = append(errs, writeLine(table, "%d\t%s %s\t%s\n", counts[key], p.Source.Component, key[0], key[1]))
	}
	if err := errors.Join(append(errs, table.Flush())...); err != nil || r.yes {
		return err
	}
	return ask(cmd.InOrStdin(), people, "Give them back?")
}

var errPart = &pipeline.Error{Class: pipeline.Permanent, What: "it is a part of a record that a transform has made several of: given back, the record would bring the other parts again",
	Do: "take what is wanted from penstock dead-letters list --json"}

// giveBack gives letters back, some hundred at a time, and notes it each time.
func (r *replaying) giveBack(ctx context.Context, ids []string) error {
	err := eachNamed(ctx, r.kept, ids, func(l pipeline.DeadLetter) error {
		err := r.source.Returns(&l)
		if l.Part > 0 {
			err = errPart
		}
		if err != nil {
			r.report.Refused = append(r.report.Refused, replayRefuse{l.ID, err.Error()})
			return nil
		}
		r.batch = append(r.batch, cloned(l))
		if r.bytes += len(l.Value); len(r.batch) == replayLetters || r.bytes >= replayBytes {
			return r.flush(ctx)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.flush(ctx)
}

// flush gives back what was gathered, then notes it: a crash in between doubles.
func (r *replaying) flush(ctx context.Context) error {
	if len(r.batch) == 0 {
		return nil
	}
	if err := r.source.Return(ctx, r.batch); err != nil {
		return err
	}
	ids := make([]string, len(r.batch))
	for i := range r.batch {
		ids[i] = r.batch[i].ID
	}
	if err := r.kept.GivenBack(ctx, ids); err != nil {
		return fmt.Errorf("%s more are given back, and it could not be noted; they would be given back again: %w", count(len(ids), "letter"), err)
	}
	r.report.GivenBack += len(r.batch)
	r.batch, r.bytes = r.batch[:0], 0
	return nil
}

// cloned gives a letter bytes of its own.
func cloned(l pipeline.DeadLetter) pipeline.DeadLetter {
	l.Key, l.Value, l.Headers = slices.Clone(l.Key), slices.Clone(l.Value), slices.Clone(l.Headers)
	for i := range l.Headers {
		l.Headers[i].Value = slices.Clone(l.Headers[i].Value)
	}
	return l
}

// tell says what was done, and is an error where letters were left.
func (r *replaying) tell(out io.Writer) error {
	if r.asJSON {
		if err := writeJSON(out, r.report); err != nil {
			return err
		}
	} else if err := writeLine(out, "%s given back\n", count(r.report.GivenBack, "dead letter")); err != nil {
		return err
	}
	if n := len(r.report.Refused); n > 0 {
		first := r.report.Refused[0]
		return &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("%s cannot be given back, and stay: %s: %s", count(n, "dead letter"), first.ID, first.Error)}
	}
	return nil
}
