package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/pipeline/engine/trial"
)

const (
	// previewBytes is how much a preview reads of a shard at most.
	previewBytes = 8 << 20
	// mostPreviewed is how many records a preview shows at most.
	mostPreviewed = 1000
)

func newPreview(c Components) *cobra.Command {
	var settings previewSettings
	cmd := &cobra.Command{
		Use:   "preview FILE",
		Short: "Show what the transforms would make of records that wait in the source now",
		Long: `Show what the transforms would make of records that wait in the source now: those
that the pipeline would read next, each as it came, after each stage that changes it,
and as it would go out, or why it does not.

Nothing is taken, written or fenced, and a pipeline that runs goes on. What only the
sink can refuse (a record too large) is not tried. Transforms that remember (dedupe)
begin with nothing: what a pipeline that runs remembers is not known here. Of each shard
up to 8 MiB are shown.`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if settings.records < 1 || settings.records > mostPreviewed {
				return invalid{fmt.Errorf("--records %d: write 1 to %d", settings.records, mostPreviewed)}
			}
			p, err := c.pick(args[0], settings.pipeline)
			if err != nil {
				return err
			}
			previews, notes, err := c.preview(cmd.Context(), cmd.ErrOrStderr(), p, settings)
			if err != nil {
				return fmt.Errorf("pipeline %s: %w", p.Name, err)
			}
			if settings.json {
				return writeJSON(cmd.OutOrStdout(), map[string]any{"pipeline": p.Name, "records": jsonPreviews(previews, sinkTopic(p)), "notes": notes})
			}
			return writePreviews(cmd.OutOrStdout(), p, previews, notes)
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

// preview reads records and follows each through the stages. The notes say what is not
// shown, and which shards do not continue what was delivered.
func (c Components) preview(ctx context.Context, log io.Writer, p *config.Pipeline, settings previewSettings) ([]previewed, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	env := Environment{Log: newLogger(log, isTerminal(log)), Clock: time.Now}
	b, err := c.build(p, env, runSettings{})
	if err != nil {
		return nil, nil, err
	}
	defer b.close()
	source, ok := b.source.(pipeline.Peeker)
	if !ok {
		return nil, nil, &pipeline.Error{Class: pipeline.Permanent, What: "the source " + p.Source.Component + " cannot show records without taking them",
			Do: "write some of them into tests:, and say penstock test"}
	}
	committed, keeps, err := c.committed(ctx, b, p)
	if err != nil {
		return nil, nil, err
	}
	shards, err := previewedShards(ctx, source, settings.shard)
	if err != nil {
		return nil, nil, err
	}
	env.Trial = true
	stages, err := c.stages(p, env)
	if err != nil {
		return nil, nil, err
	}
	defer closeAll(stages.closers)
	var all []previewed
	notes := []string{}
	for i, shard := range shards {
		share := (settings.records - len(all) + len(shards) - i - 1) / (len(shards) - i)
		if share == 0 {
			notes = append(notes, "not looked at, for want of records: "+strings.Join(shards[i:], ", "))
			break
		}
		req := pipeline.OpenRequest{Shard: shard, First: len(committed) == 0, KeepsPosition: keeps}
		if at, ok := committed[shard]; ok {
			req.From = &at.Position
			if problem := standingOf(ctx, source, shard, &at, true).Problem; problem != "" {
				notes = append(notes, shard+": it does not continue what was delivered, and a run goes by on_gap: "+problem)
			}
		}
		found, cut, err := peek(ctx, source, req, share, stages.stages)
		if err != nil {
			return nil, nil, err
		}
		if cut {
			notes = append(notes, shard+": more waits than the 8 MiB that are shown")
		}
		all = append(all, found...)
	}
	return all, notes, nil
}

// previewedShards gives the shards of a source, or the one that is named.
func previewedShards(ctx context.Context, source pipeline.Source, named string) ([]string, error) {
	shards, err := source.Shards(ctx)
	if err != nil || named == "" {
		return shards, err
	}
	if !slices.Contains(shards, named) {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "there is no shard " + named, Do: "choose one of those that penstock positions get shows"}
	}
	return []string{named}, nil
}

// committed gives the positions of a pipeline where its sink stores them; elsewhere the
// source keeps them.
func (c Components) committed(ctx context.Context, b *built, p *config.Pipeline) (_ map[string]pipeline.Committed, sourceKeeps bool, err error) {
	store, ok := b.sink.(pipeline.PositionStore)
	if !ok || !c.sink(p).Positions {
		return nil, true, nil
	}
	positions, _, err := store.Committed(ctx, p.Name)
	return positions, false, err
}

// peek reads records of a shard, and follows them in their order. cut: more wait than the
// bytes of a preview.
func peek(ctx context.Context, source pipeline.Peeker, req pipeline.OpenRequest, records int, stages []engine.Stage) (all []previewed, cut bool, err error) {
	b := &pipeline.Batch{Shard: req.Shard}
	if err := source.Peek(ctx, req, b, pipeline.Limit{Records: records, Bytes: previewBytes}); err != nil {
		return nil, false, err
	}
	for i := range min(len(b.Records), records) {
		one, err := alone(b, i)
		if err != nil {
			return nil, false, err
		}
		r := &one.Records[0]
		found := previewed{shard: req.Shard, offset: r.Offset, came: trial.Came(one)}
		if r.Fate == pipeline.Failed {
			found.failed = r.Failure.Err.Error()
		} else if found.steps, err = trial.Follow(ctx, one, stages); err != nil {
			return nil, false, err
		}
		all = append(all, found)
	}
	return all, b.Read > len(b.Records), nil
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
