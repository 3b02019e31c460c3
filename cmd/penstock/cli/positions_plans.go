package cli

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline"
)

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
			if err != nil {
				return nil, err
			}
			return c.forgotten(ctx, names)
		})
}

// forgotten plans to forget shards, those of which sink or source know something.
func (c *changing) forgotten(ctx context.Context, names []string) ([]change, error) {
	var changes []change
	for _, name := range names {
		if was, ok := c.positions[name]; ok {
			changes = append(changes, change{shard: name, from: &was.Position})
			continue
		}
		one, err := c.to(ctx, name, pipeline.Kept)
		switch {
		case err == nil:
			changes = append(changes, change{shard: name, kept: one.to})
		case pipeline.ClassOf(err) != pipeline.Permanent: // then nothing is kept
			return nil, err
		}
	}
	return changes, nil
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
			if err != nil {
				return nil, err
			}
			return c.takenFrom(ctx, old, positions)
		})
}

// takenFrom plans to take over the positions of another pipeline, of shards that the
// source has, and which it continues.
func (c *changing) takenFrom(ctx context.Context, old string, positions map[string]pipeline.Committed) ([]change, error) {
	names, err := c.shards(ctx, nil)
	if err != nil {
		return nil, err
	}
	var changes []change
	for _, name := range names {
		known, ok := positions[name]
		if !ok {
			continue
		}
		if placer, ok := c.source.(pipeline.Placer); ok {
			newest, err := placer.Place(ctx, name, pipeline.Newest, &known.Position)
			if err != nil {
				return nil, err
			}
			if newest.Incarnation != known.Incarnation {
				return nil, &pipeline.Error{Class: pipeline.Gap, What: "shard " + name + " of this source does not continue what " + old + " has delivered: it is another incarnation",
					Do: "check that the file names the same server; else choose a place with positions set"}
			}
		}
		changes = append(changes, change{shard: name, to: &known.Position})
	}
	if len(changes) == 0 {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("%s has positions of other shards only: %s", old, strings.Join(slices.Sorted(maps.Keys(positions)), ", ")),
			Do: "check the keys of the source"}
	}
	return changes, nil
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
				if _, ok := c.source.(pipeline.Placer); ok && len(args) == 0 && pipeline.ClassOf(err) == pipeline.Permanent {
					continue // nothing is kept of it
				}
				if err != nil {
					return nil, err
				}
				changes = append(changes, one)
			}
			return changes, nil
		})
}
