package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/pipeline/engine/trial"
)

// previewBytes is how much a preview reads of a shard at most.
const previewBytes = 8 << 20

func newPreview(c Components) *cobra.Command {
	var settings previewSettings
	cmd := &cobra.Command{
		Use:   "preview FILE",
		Short: "Show what the transforms would make of records that wait in the source now",
		Long: `Show what the transforms would make of records that wait in the source now: those
that the pipeline would read next, each as it came, after each stage that changes it,
and as it would go out, or why it does not.

Nothing is taken, written or fenced, and a pipeline that runs goes on. What only the
sink can refuse (a record too large) is not tried.`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if settings.records < 1 {
				return invalid{fmt.Errorf("--records %d: write 1 or more", settings.records)}
			}
			p, err := c.pick(args[0], settings.pipeline)
			if err != nil {
				return err
			}
			previews, err := c.preview(cmd.Context(), cmd.ErrOrStderr(), p, settings)
			if err != nil {
				return fmt.Errorf("pipeline %s: %w", p.Name, err)
			}
			if settings.json {
				return writeJSON(cmd.OutOrStdout(), map[string]any{"pipeline": p.Name, "records": jsonPreviews(previews, sinkTopic(p))})
			}
			return writePreviews(cmd.OutOrStdout(), p, previews)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&settings.records, "records", 10, "how many records at most")
	flags.StringVar(&settings.shard, "shard", "", "of this list, stream or partition alone; default: of all, as far as the records go")
	flags.BoolVar(&settings.json, "json", false, "answer as JSON, with values as they are")
	flags.StringVar(&settings.pipeline, "pipeline", "", "which pipeline of the file, where it holds several")
	return cmd
}

type previewSettings struct {
	records  int
	shard    string
	json     bool
	pipeline string
}

// previewed is a record of the source, and what became of it.
type previewed struct {
	shard  string
	offset pipeline.Offset
	came   trial.Record
	failed string // the source itself refuses the record
	steps  []trial.Step
}

// preview reads records and follows each through the stages.
func (c Components) preview(ctx context.Context, log io.Writer, p *config.Pipeline, settings previewSettings) ([]previewed, error) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	env := Environment{Log: newLogger(log, isTerminal(log)), Clock: time.Now}
	b, err := c.build(p, env, runSettings{})
	if err != nil {
		return nil, err
	}
	defer b.close()
	source, ok := b.source.(pipeline.Peeker)
	if !ok {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "the source " + p.Source.Component + " cannot show records without taking them",
			Do: "write some of them into tests:, and say penstock test"}
	}
	committed, keeps, err := c.committed(ctx, b, p)
	if err != nil {
		return nil, err
	}
	shards, err := source.Shards(ctx)
	if err != nil {
		return nil, err
	}
	if settings.shard != "" {
		if !slices.Contains(shards, settings.shard) {
			return nil, &pipeline.Error{Class: pipeline.Permanent, What: "there is no shard " + settings.shard, Do: "choose one of those that penstock positions get shows"}
		}
		shards = []string{settings.shard}
	}
	stages, err := c.stages(p, env)
	if err != nil {
		return nil, err
	}
	var all []previewed
	for i, shard := range shards {
		share := (settings.records - len(all) + len(shards) - i - 1) / (len(shards) - i)
		found, err := peek(ctx, source, pipeline.OpenRequest{Shard: shard, From: committed[shard], First: len(committed) == 0, KeepsPosition: keeps}, share, stages.stages)
		if all = append(all, found...); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// committed gives the positions of a pipeline where its sink stores them; elsewhere the
// source keeps them.
func (c Components) committed(ctx context.Context, b *built, p *config.Pipeline) (_ map[string]*pipeline.Position, sourceKeeps bool, err error) {
	found := map[string]*pipeline.Position{}
	store, ok := b.sink.(pipeline.PositionStore)
	if !ok || !c.sink(p).Positions {
		return found, true, nil
	}
	positions, _, err := store.Committed(ctx, p.Name)
	for shard, at := range positions {
		found[shard] = &at.Position
	}
	return found, false, err
}

// peek reads records of a shard, and follows them in their order.
func peek(ctx context.Context, source pipeline.Peeker, req pipeline.OpenRequest, records int, stages []engine.Stage) ([]previewed, error) {
	if records == 0 {
		return nil, nil
	}
	b := &pipeline.Batch{Shard: req.Shard}
	if err := source.Peek(ctx, req, b, pipeline.Limit{Records: records, Bytes: previewBytes}); err != nil {
		return nil, err
	}
	var all []previewed
	for i := range min(len(b.Records), records) {
		one, err := alone(b, i)
		if err != nil {
			return nil, err
		}
		r := &one.Records[0]
		found := previewed{shard: req.Shard, offset: r.Offset, came: trial.Came(one)}
		if r.Fate == pipeline.Failed {
			found.failed = r.Failure.Err.Error()
		} else if found.steps, err = trial.Follow(ctx, one, stages); err != nil {
			return nil, err
		}
		all = append(all, found)
	}
	return all, nil
}

// alone makes a batch of one record of another.
func alone(b *pipeline.Batch, i int) (*pipeline.Batch, error) {
	r := b.Records[i]
	one := &pipeline.Batch{Shard: b.Shard, Read: 1, After: pipeline.Position{Offset: r.Offset}}
	out := one.Add()
	*out = r
	out.Original = r.Value.Raw()
	if r.Value.Kind() != pipeline.Document {
		return one, nil
	}
	var err error
	out.Value, err = one.Document(r.Value.Raw())
	return one, err
}
