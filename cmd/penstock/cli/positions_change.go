package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
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
}

// changing is a pipeline whose positions are to change.
type changing struct {
	*built
	store     pipeline.PositionStore
	positions map[string]pipeline.Committed
	yes       bool
	force     bool
	name      string // of the pipeline, where the file holds several
}

func (c *changing) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&c.force, "force", false, "go on where no lease tells whether the pipeline runs; an instance that does is stopped by it")
	cmd.Flags().StringVar(&c.name, "pipeline", "", "which pipeline of the file, where it holds several")
}

// changePositions makes a command that changes positions: plan says how.
func changePositions(c Components, use, short, long string, least, most int, more func(cmd *cobra.Command),
	plan func(ctx context.Context, c *changing, args []string) ([]change, error),
) *cobra.Command {
	var ch changing
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: takes(least, most), RunE: func(cmd *cobra.Command, args []string) error {
		p, err := ch.pick(c, args[0])
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

// pick gives the pipeline of the file that is meant.
func (c *changing) pick(components Components, file string) (*config.Pipeline, error) {
	pipelines, err := components.parse([]string{file})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range pipelines {
		if p.Name == c.name || c.name == "" && len(pipelines) == 1 {
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
	return writeLine(cmd.OutOrStdout(), "done: the next start goes by it\n")
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
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	errs := []error{writeLine(table, "shard\tfrom\tto\n")}
	for _, one := range changes {
		errs = append(errs, writeLine(table, "%s\t%s\t%s\n", one.shard, placeText(one.from), placeText(one.to)))
	}
	if err := errors.Join(append(errs, table.Flush())...); err != nil || c.yes {
		return err
	}
	if !isTerminal(cmd.InOrStdin()) {
		return invalid{errors.New("nobody can be asked here; say --yes")}
	}
	if err := writeLine(cmd.OutOrStdout(), "Change this? [y/N] "); err != nil {
		return err
	}
	answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
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

func (c *changing) placer() (pipeline.Placer, error) {
	if placer, ok := c.source.(pipeline.Placer); ok {
		return placer, nil
	}
	return nil, &pipeline.Error{Class: pipeline.Permanent, What: "in its source no position can be chosen", Do: "reset makes it begin anew"}
}

// to plans a place for a shard.
func (c *changing) to(ctx context.Context, shard, at string) (change, error) {
	placer, err := c.placer()
	if err != nil {
		return change{}, err
	}
	one := change{shard: shard}
	if was, ok := c.positions[shard]; ok {
		one.from = &was.Position
	}
	p, err := placer.Place(ctx, shard, at, one.from)
	one.to = &p
	return one, err
}

// shards gives those that are named, or else all that have a position, or that the
// source has.
func (c *changing) shards(ctx context.Context, named []string) ([]string, error) {
	known, err := c.source.Shards(ctx)
	if err != nil {
		return nil, err
	}
	known = slices.Concat(known, slices.Collect(maps.Keys(c.positions)))
	slices.Sort(known)
	known = slices.Compact(known)
	for _, name := range named {
		if !slices.Contains(known, name) {
			return nil, invalid{fmt.Errorf("there is no shard %q; there are %s", name, strings.Join(known, ", "))}
		}
	}
	if len(named) > 0 {
		return named, nil
	}
	return known, nil
}

func newPositionsSet(c Components) *cobra.Command {
	return changePositions(c, "set FILE SHARD POSITION", "Choose where a shard goes on",
		`Choose where a shard goes on: after an entry of a stream (1700000000000-0), after so
many items of a list (counted as get prints them), at oldest, or at newest.

Set back, what lies between is delivered again; set forward, it is not delivered, and
a list loses it. Of a list only what Redis still holds can be chosen.`, 3, 3, nil,
		func(ctx context.Context, c *changing, args []string) ([]change, error) {
			names, err := c.shards(ctx, args[:1])
			if err != nil {
				return nil, err
			}
			one, err := c.to(ctx, names[0], args[1])
			return []change{one}, err
		})
}

func newPositionsReset(c Components) *cobra.Command {
	return changePositions(c, "reset FILE [SHARD…]", "Forget how far shards are delivered",
		`Forget how far shards are delivered, all of them where none is named: the next start
reads them as new ones. A stream is read from what its start says where all shards are
forgotten, and else from its oldest entry; a list from its head.`, 1, math.MaxInt, nil,
		func(ctx context.Context, c *changing, args []string) ([]change, error) {
			names, err := c.shards(ctx, args)
			var changes []change
			for _, name := range names {
				one := change{shard: name}
				if was, ok := c.positions[name]; ok {
					one.from = &was.Position
				}
				changes = append(changes, one)
			}
			return changes, err
		})
}

func newPositionsCopy(c Components) *cobra.Command {
	var old string
	return changePositions(c, "copy FILE --from NAME", "Take over the positions of a pipeline that was renamed",
		`Take over the positions that a pipeline had under its old name: it goes on where that
was. The old one must not run any more, here or elsewhere.`, 1, 1,
		func(cmd *cobra.Command) {
			cmd.Flags().StringVar(&old, "from", "", "the old name")
			_ = cmd.MarkFlagRequired("from") // there is such a flag
		},
		func(ctx context.Context, c *changing, _ []string) ([]change, error) {
			if len(c.positions) > 0 {
				return nil, &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("it has %d positions already", len(c.positions)), Do: "reset it first, if they are wrong"}
			}
			if err := c.rests(ctx, old); err != nil {
				return nil, err
			}
			positions, _, err := c.store.Committed(ctx, old)
			if err == nil && len(positions) == 0 {
				err = &pipeline.Error{Class: pipeline.Permanent, What: "no position is stored under the name " + old, Do: "check the name"}
			}
			var changes []change
			for _, name := range slices.Sorted(maps.Keys(positions)) {
				p := positions[name].Position
				changes = append(changes, change{shard: name, to: &p})
			}
			return changes, err
		})
}

func newPositionsAdopt(c Components) *cobra.Command {
	return changePositions(c, "adopt FILE [SHARD…]", "Go on where Redis says that a list was read up to",
		`Go on where Redis says that a list was read up to, where no position is stored: after
_penstock_positions was lost, or another pipeline has read the list before. Nothing is
delivered by it. Of streams Redis says so only where a sink without positions was used.`, 1, math.MaxInt, nil,
		func(ctx context.Context, c *changing, args []string) ([]change, error) {
			names, err := c.shards(ctx, args)
			if err != nil {
				return nil, err
			}
			var changes []change
			for _, name := range names {
				if _, stored := c.positions[name]; stored && len(args) == 0 {
					continue
				} else if stored {
					return nil, &pipeline.Error{Class: pipeline.Permanent, What: "shard " + name + " has a position already", Do: "use set, or reset"}
				}
				one, err := c.to(ctx, name, pipeline.Kept)
				if err != nil {
					return nil, err
				}
				changes = append(changes, one)
			}
			return changes, nil
		})
}
