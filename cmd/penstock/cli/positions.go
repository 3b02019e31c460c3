package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

func newPositions(c Components) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "positions",
		Short: "Look at how far pipelines have delivered, and change it while they do not run",
		Long: `Look at how far pipelines have delivered, and change it while they do not run.

A position is what the sink remembers of a shard: everything up to it was delivered.
get shows positions, also beside a running pipeline. The others change them: they
refuse where an instance of the pipeline is active, say what will be, and ask.`,
		SuggestionsMinimumDistance: 2,
		Args:                       noSuchCommand,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPositionsGet(c), newPositionsSet(c), newPositionsReset(c), newPositionsCopy(c), newPositionsAdopt(c))
	return cmd
}

// lookPatience is how long a server may take to answer.
const lookPatience = 30 * time.Second

func newPositionsGet(c Components) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get FILE…",
		Short: "Show how far each shard of the pipelines is delivered",
		Long: `Show how far each shard of the pipelines is delivered, and what waits behind it.
Nothing is changed, and a pipeline that runs goes on. Where the source cannot be
reached, what the sink knows is shown all the same; the exit code is 3 then.`,
		Args: takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			pipelines, err := c.parse(args)
			if err != nil {
				return err
			}
			all := make([]standing, 0, len(pipelines))
			var errs []error
			for _, p := range pipelines {
				one, err := c.standing(cmd.Context(), cmd.ErrOrStderr(), p)
				if err != nil {
					errs = append(errs, fmt.Errorf("pipeline %s: %w", p.Name, err))
				}
				if one.Pipeline != "" {
					all = append(all, one)
				}
			}
			return errors.Join(append([]error{writeStandings(cmd.OutOrStdout(), all, asJSON)}, errs...)...)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	return cmd
}

// writeStandings writes them for people, or as JSON.
func writeStandings(out io.Writer, all []standing, asJSON bool) error {
	if asJSON {
		return writeJSON(out, all)
	}
	for i, one := range all {
		if i > 0 {
			if err := writeLine(out, "\n"); err != nil {
				return err
			}
		}
		if err := one.write(out); err != nil {
			return err
		}
	}
	return nil
}

// standing is how far a pipeline is.
type standing struct {
	Pipeline string `json:"pipeline"`
	At       string `json:"at"`
	// Active names the instance that has the lease; empty: none has, or there is none.
	Active string          `json:"active"`
	Lease  bool            `json:"lease"`
	Shards []shardStanding `json:"shards"`
	Claims []laneStanding  `json:"claims"`
	// unknown: the server that holds the lease does not say who is active.
	unknown bool
}

type shardStanding struct {
	Shard       string    `json:"shard"`
	Position    string    `json:"position"` // empty: none
	Incarnation string    `json:"incarnation"`
	Committed   time.Time `json:"committed"`
	Instance    string    `json:"instance"`
	Newest      string    `json:"newest"`  // empty: it is not known
	Waiting     int64     `json:"waiting"` // records; -1: it is not known
	Problem     string    `json:"problem,omitempty"`
}

type laneStanding struct {
	Lane     int       `json:"lane"`
	Lanes    int       `json:"lanes"`
	Instance string    `json:"instance"`
	Time     time.Time `json:"time"`
}

// standing asks sink and source. With an error of the source it gives what the sink
// says.
func (c Components) standing(ctx context.Context, log io.Writer, p *config.Pipeline) (standing, error) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	b, store, err := c.stored(p, log)
	if err != nil {
		return standing{}, err
	}
	defer b.close()
	positions, claims, err := store.Committed(ctx, p.Name)
	if err != nil {
		return standing{}, err
	}
	out := standing{Pipeline: p.Name, At: p.At.String(), Lease: b.lease != nil, Shards: []shardStanding{}, Claims: []laneStanding{}}
	for _, claim := range claims {
		out.Claims = append(out.Claims, laneStanding(claim))
	}
	names, away := b.source.Shards(ctx)
	if b.lease != nil && away == nil {
		out.Active, away = b.lease.Active(ctx, p.Name)
	}
	out.unknown = away != nil
	names = slices.Concat(names, slices.Collect(maps.Keys(positions)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		var at *pipeline.Committed
		if known, ok := positions[name]; ok {
			at = &known
		}
		out.Shards = append(out.Shards, standingOf(ctx, b.source, name, at, away == nil))
	}
	return out, away
}

// stored builds a pipeline whose sink shows its positions.
func (c Components) stored(p *config.Pipeline, log io.Writer) (*built, pipeline.PositionStore, error) {
	b, err := c.build(p, Environment{Log: newLogger(log, isTerminal(log)), Clock: time.Now}, runSettings{})
	if err != nil {
		return nil, nil, err
	}
	store, shows := b.sink.(pipeline.PositionStore)
	stores := c.sink(p).Positions
	if stores && shows {
		return b, store, nil
	}
	b.close()
	if stores {
		return nil, nil, &pipeline.Error{Class: pipeline.Permanent, What: "its sink " + p.Sink.Component + " stores positions, and does not show them",
			Do: "its sink has to implement pipeline.PositionStore"}
	}
	return nil, nil, &pipeline.Error{Class: pipeline.Permanent, What: "its sink " + p.Sink.Component + " stores no positions",
		Do: "the source keeps its own: see penstock components " + p.Source.Component}
}

// standingOf tells of one shard; at is nil where it has no position. The source is only
// asked where it answers.
func standingOf(ctx context.Context, source pipeline.Source, name string, at *pipeline.Committed, answers bool) shardStanding {
	s := shardStanding{Shard: name, Waiting: -1}
	var last *pipeline.Position
	if at != nil {
		s.Position, s.Incarnation, s.Committed, s.Instance = at.Offset.String(), at.Incarnation, at.Time, at.Instance
		last = &at.Position
	}
	placer, ok := source.(pipeline.Placer)
	if !ok || !answers {
		return s
	}
	newest, err := placer.Place(ctx, name, pipeline.Newest, last)
	if err != nil {
		s.Problem = err.Error()
		return s
	}
	s.Newest = newest.Offset.String()
	switch {
	case last != nil && newest.Incarnation != last.Incarnation:
		s.Problem = "what the source holds does not continue what was delivered: it is another incarnation"
	case last != nil:
		if waiting, known := between(*last, newest); known && waiting >= 0 {
			s.Waiting = waiting
		}
	}
	return s
}

// between counts the records from one place to another of the same incarnation, less
// than 0 where that lies before; false: it is not known.
func between(from, to pipeline.Position) (int64, bool) {
	counted := func(p pipeline.Position) bool { return p.Evidence.Added > 0 || p.Offset == pipeline.Offset{} }
	if counted(from) && counted(to) && (from.Evidence.Added > 0 || to.Evidence.Added > 0 || from.Offset == to.Offset) {
		return int64(to.Evidence.Added) - int64(from.Evidence.Added), true //nolint:gosec // counts
	}
	if from.Offset.Major == 0 && to.Offset.Major == 0 && from.Evidence.Added == 0 && to.Evidence.Added == 0 { // of a partition
		return int64(to.Offset.Minor) - int64(from.Offset.Minor), true //nolint:gosec // offsets
	}
	return 0, false
}

// write writes a standing for people.
func (s standing) write(out io.Writer) error {
	active := "no instance is active"
	switch {
	case s.Active != "":
		active = "active: " + s.Active
	case s.unknown:
		active = "whether an instance is active is not known now"
	case !s.Lease:
		active = "no lease: whether an instance is active cannot be told"
	}
	errs := []error{writeLine(out, "%s (%s): %s\n", s.Pipeline, s.At, active)}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	errs = append(errs, writeLine(table, "shard\tposition\twaiting\tcommitted\tby\n"))
	for _, shard := range s.Shards {
		position, waiting, committed := shard.Position, fmt.Sprint(shard.Waiting), shard.Committed.UTC().Format(time.RFC3339)
		if position == "" {
			position, committed = "none", ""
		}
		if shard.Waiting < 0 {
			waiting = "?"
		}
		errs = append(errs, writeLine(table, "%s\t%s\t%s\t%s\t%s\n", shard.Shard, position, waiting, committed, shard.Instance))
	}
	errs = append(errs, table.Flush())
	for _, shard := range s.Shards {
		if shard.Problem != "" {
			errs = append(errs, writeLine(out, "%s: %s\n", shard.Shard, shard.Problem))
		}
	}
	return errors.Join(errs...)
}

func writeLine(out io.Writer, format string, args ...any) error {
	_, err := fmt.Fprintf(out, format, args...)
	return err
}
