package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// change is what is to become of one shard's position.
type change struct {
	shard string
	from  *pipeline.Position // nil: there is none
	to    *pipeline.Position // nil: it is forgotten
	// kept is what the source keeps of a shard that is forgotten, and has no position.
	kept *pipeline.Position
}

// changed is a change as --json tells it.
type changed struct {
	Shard string `json:"shard"`
	From  string `json:"from"` // none, where there is none
	To    string `json:"to"`
	Note  string `json:"note,omitempty"`
}

func (c change) told() changed {
	return changed{Shard: c.shard, From: placeText(c.from), To: placeText(c.to), Note: c.note()}
}

// note says what becomes of the records in between, where that is known; empty:
// nothing.
func (c change) note() string {
	if c.kept != nil {
		return fmt.Sprintf("the source says that it was read up to %s, and not by this pipeline: if another one reads it, that one halts", placeText(c.kept))
	}
	if c.to == nil {
		return ""
	}
	var notes []string
	if c.to.Evidence.Added > 0 && c.to.Offset == (pipeline.Offset{}) {
		notes = append(notes, fmt.Sprintf("its oldest %d records were removed, and cannot be delivered again", c.to.Evidence.Added))
	}
	if c.from != nil && c.from.Incarnation != c.to.Incarnation {
		notes = append(notes, "what was delivered is of another incarnation")
	} else if c.from != nil {
		switch n, known := between(*c.from, *c.to); {
		case known && n < 0:
			notes = append(notes, fmt.Sprintf("%d records are read again", -n))
		case known && n > 0:
			notes = append(notes, fmt.Sprintf("%d records are passed over", n))
		}
	}
	return strings.Join(notes, "; ")
}

// changing is a pipeline whose positions are to change.
type changing struct {
	*built
	store     pipeline.PositionStore
	positions map[string]pipeline.Committed
	yes       bool
	force     bool
	asJSON    bool
	name      string // of the pipeline, where the file holds several
}

func (c *changing) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&c.asJSON, "json", false, "answer as JSON, once it is done; what will be is said on stderr")
	cmd.Flags().BoolVar(&c.force, "force", false, "go on where no lease tells whether the pipeline runs; an instance that does is stopped by it")
	cmd.Flags().StringVar(&c.name, "pipeline", "", "which pipeline of the file, where it holds several")
}

// changePositions makes a command that changes positions: plan says how.
func changePositions(c Components, use, short, long string, least, most int, more func(cmd *cobra.Command),
	plan func(ctx context.Context, c *changing, args []string) ([]change, error),
) *cobra.Command {
	var ch changing
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: takes(least, most), RunE: func(cmd *cobra.Command, args []string) error {
		p, err := c.pick(args[0], ch.name)
		if err != nil {
			return err
		}
		if err := ch.run(cmd, c, p, func(ctx context.Context) ([]change, error) { return plan(ctx, &ch, args[1:]) }); err != nil {
			return fmt.Errorf("pipeline %s: %w", p.Name, err)
		}
		return nil
	}}
	ch.flags(cmd)
	if more != nil {
		more(cmd)
	}
	return cmd
}

// pick gives the pipeline of the file that is meant; the name is empty where it holds
// one.
func (c Components) pick(file, name string) (*config.Pipeline, error) {
	pipelines, err := c.parse([]string{file})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range pipelines {
		if p.Name == name || name == "" && len(pipelines) == 1 {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return nil, invalid{fmt.Errorf("%s holds the pipelines %s; say which one with --pipeline", file, strings.Join(names, ", "))}
}

// run looks whether the pipeline is at rest, plans, asks, and changes.
func (c *changing) run(cmd *cobra.Command, components Components, p *config.Pipeline, plan func(ctx context.Context) ([]change, error)) (err error) {
	if c.built, c.store, err = components.stored(p, cmd.ErrOrStderr()); err != nil {
		return err
	}
	defer c.close()
	ctx, cancel := context.WithTimeout(cmd.Context(), lookPatience)
	defer cancel()
	if err := c.rests(ctx, p.Name); err != nil {
		return err
	}
	if c.positions, _, err = c.store.Committed(ctx, p.Name); err != nil {
		return err
	}
	changes, err := plan(ctx)
	if err != nil {
		return err
	}
	if err := c.confirm(cmd, changes); err != nil {
		return err
	}
	ctx, cancel = context.WithTimeout(cmd.Context(), lookPatience) // who was asked may have taken his time
	defer cancel()
	if err := c.apply(ctx, p, changes); err != nil {
		return err
	}
	if !c.asJSON {
		return writeLine(cmd.OutOrStdout(), "done: the next start goes by it\n")
	}
	all := make([]changed, len(changes))
	for i, one := range changes {
		all[i] = one.told()
	}
	return writeJSON(cmd.OutOrStdout(), map[string]any{"pipeline": p.Name, "changes": all})
}

// rests refuses a pipeline that runs.
func (c *changing) rests(ctx context.Context, name string) error {
	if c.lease == nil {
		if c.force {
			return nil
		}
		return &pipeline.Error{Class: pipeline.Permanent, What: "there is no lease, so nothing tells whether an instance of " + name + " runs", Do: "stop it, then say --force"}
	}
	active, err := c.lease.Active(ctx, name)
	if err != nil || active == "" {
		return err
	}
	return &pipeline.Error{Class: pipeline.Permanent, What: name + " is running: " + active, Do: "stop every instance of it first"}
}

// confirm says what will be, and asks.
func (c *changing) confirm(cmd *cobra.Command, changes []change) error {
	if len(changes) == 0 {
		return &pipeline.Error{Class: pipeline.Permanent, What: "there is nothing to change", Do: "see penstock positions get"}
	}
	people := cmd.OutOrStdout()
	if c.asJSON {
		people = cmd.ErrOrStderr()
	}
	if err := describe(people, changes); err != nil || c.yes {
		return err
	}
	return ask(cmd.InOrStdin(), people, "Change this?")
}

// ask asks people; an error unless they say yes.
func ask(in io.Reader, people io.Writer, question string) error {
	if !isTerminal(in) {
		return invalid{errors.New("nobody can be asked here; say --yes")}
	}
	if err := writeLine(people, "%s [y/N] ", question); err != nil {
		return err
	}
	return agreed(in)
}

// describe says what will be, for people.
func describe(out io.Writer, changes []change) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	errs := []error{writeLine(table, "shard\tfrom\tto\n")}
	for _, one := range changes {
		errs = append(errs, writeLine(table, "%s\t%s\t%s\n", one.shard, placeText(one.from), placeText(one.to)))
	}
	errs = append(errs, table.Flush())
	for _, one := range changes {
		if note := one.note(); note != "" {
			errs = append(errs, writeLine(out, "%s: %s\n", one.shard, note))
		}
	}
	return errors.Join(errs...)
}

// agreed reads a line that says yes; else it is an error.
func agreed(in io.Reader) error {
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer != "y" && answer != "yes" {
		return &pipeline.Error{Class: pipeline.Permanent, What: "nothing was changed"}
	}
	return nil
}

func placeText(p *pipeline.Position) string {
	if p == nil {
		return "none"
	}
	return p.Offset.String()
}

// apply takes the lane, as an instance does, and commits the changes. The source
// forgets first: where that was all, the pipeline halts, and the command can be given
// again.
func (c *changing) apply(ctx context.Context, p *config.Pipeline, changes []change) (err error) {
	if c.lease != nil {
		if _, err := c.lease.Take(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.lease.Release(context.WithoutCancel(ctx))) }()
	}
	lane, now, err := c.sink.Open(ctx, pipeline.LaneID{Pipeline: p.Name, Lanes: 1, Instance: c.instance})
	if err != nil {
		return err
	}
	defer lane.Close(context.WithoutCancel(ctx)) //nolint:errcheck // what counts is committed
	set := map[string]pipeline.Position{}
	var forget []string
	for _, one := range changes {
		if was, ok := now[one.shard]; ok != (one.from != nil) || ok && was != *one.from {
			return &pipeline.Error{Class: pipeline.Permanent, What: "the position of shard " + one.shard + " has changed meanwhile", Do: "look again"}
		}
		if one.to != nil {
			set[one.shard] = *one.to
			continue
		}
		if err := c.forget(ctx, one); err != nil {
			return err
		}
		if one.from != nil {
			forget = append(forget, one.shard)
		}
	}
	if len(set) > 0 {
		if err := lane.Commit(ctx, set); err != nil {
			return err
		}
	}
	if len(forget) == 0 {
		return nil
	}
	forgetter, ok := lane.(pipeline.Forgetter)
	if !ok {
		return &pipeline.Error{Class: pipeline.Permanent, What: "its sink forgets no position"}
	}
	return forgetter.Forget(ctx, forget...)
}

func (c *changing) forget(ctx context.Context, one change) error {
	placer, err := c.placer()
	if err != nil {
		return nil //nolint:nilerr // such a source keeps nothing itself where the sink stores positions
	}
	return placer.Forget(ctx, one.shard, one.from)
}
