package cli

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine/trial"
	"github.com/penstock-io/penstock/pipeline/server"
)

var _ server.Desk = (*serverMaker)(nil)

// deskPatience is how long looking at records may take.
const deskPatience = time.Minute

// Letters gives what penstock dead-letters list --json does.
func (m *serverMaker) Letters(ctx context.Context, p *config.Pipeline, limit int) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, deskPatience)
	defer cancel()
	return m.components.listLetters(ctx, io.Discard, p, limit)
}

// Replay gives what penstock dead-letters replay --json does.
func (m *serverMaker) Replay(ctx context.Context, p *config.Pipeline, ids []string) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, deskPatience)
	defer cancel()
	r := replaying{report: replayReport{Pipeline: p.Name, Refused: []replayRefuse{}}}
	err := m.components.withLetters(p, io.Discard, func(kept pipeline.DeadLetterReader, b *built) error {
		source, ok := b.source.(pipeline.Returner)
		if !ok {
			return &pipeline.Error{Class: pipeline.Permanent, What: "nothing can be given back to the source " + p.Source.Component, Do: "take what the letters hold"}
		}
		r.source, r.kept = source, kept
		if err := eachNamed(ctx, kept, ids, func(pipeline.DeadLetter) error { return nil }); err != nil { // all of them, or none
			return err
		}
		return r.giveBack(ctx, ids)
	})
	return r.report, err
}

// Try follows records of somebody's own through the stages.
func (m *serverMaker) Try(ctx context.Context, p *config.Pipeline, records []json.RawMessage) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, deskPatience)
	defer cancel()
	env := m.env
	env.Trial = true
	stages, err := m.components.stages(p, env)
	if err != nil {
		return nil, err
	}
	defer closeAll(stages.closers)
	var all []previewed
	for i, value := range records {
		b := &pipeline.Batch{Shard: "sample", Read: 1}
		r := b.Add()
		r.Offset, r.Time = pipeline.Offset{Minor: uint64(i) + 1}, time.Now().UTC().Truncate(time.Millisecond) //nolint:gosec // not negative
		b.After = pipeline.Position{Incarnation: "sample", Offset: r.Offset}
		r.Value = pipeline.RawValue(value)
		if p.Source.Format == nil {
			if r.Value, err = b.Document(value); err != nil {
				return nil, err
			}
		}
		r.Original = r.Value.Raw()
		one := previewed{shard: b.Shard, offset: r.Offset, came: trial.Came(b)}
		if one.steps, err = trial.Follow(ctx, b, stages.stages); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return map[string]any{"pipeline": p.Name, "records": jsonPreviews(all, sinkTopic(p)), "notes": []string{}}, nil
}

// Peek gives what penstock preview --json does.
func (m *serverMaker) Peek(ctx context.Context, p *config.Pipeline, records int) (any, error) {
	previews, notes, err := m.components.preview(ctx, io.Discard, p, previewSettings{records: records})
	if err != nil {
		return nil, err
	}
	return map[string]any{"pipeline": p.Name, "records": jsonPreviews(previews, sinkTopic(p)), "notes": notes}, nil
}

// Move does what penstock positions set and reset do.
func (m *serverMaker) Move(ctx context.Context, p *config.Pipeline, to map[string]string, force bool) (_ any, err error) {
	ctx, cancel := context.WithTimeout(ctx, deskPatience)
	defer cancel()
	c := changing{force: force}
	if c.built, c.store, err = m.components.stored(p, io.Discard); err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.rests(ctx, p.Name); err != nil {
		return nil, err
	}
	if c.positions, _, err = c.store.Committed(ctx, p.Name); err != nil {
		return nil, err
	}
	changes, err := c.moves(ctx, to)
	if err != nil {
		return nil, err
	}
	if err := c.apply(ctx, p, changes); err != nil {
		return nil, err
	}
	told := make([]changed, len(changes))
	for i, one := range changes {
		told[i] = one.told()
	}
	return map[string]any{"pipeline": p.Name, "changes": told}, nil
}

// moves plans where shards go on; none named: all are forgotten.
func (c *changing) moves(ctx context.Context, to map[string]string) ([]change, error) {
	if len(to) == 0 {
		names, err := c.shards(ctx, nil)
		if err != nil {
			return nil, err
		}
		return c.forgotten(ctx, names)
	}
	var changes []change
	for _, name := range sortedKeys(to) {
		if _, err := c.shards(ctx, []string{name}); err != nil {
			return nil, &pipeline.Error{Class: pipeline.Permanent, What: err.Error()}
		}
		if to[name] == "" {
			some, err := c.forgotten(ctx, []string{name})
			if err != nil {
				return nil, err
			}
			changes = append(changes, some...)
			continue
		}
		one, err := c.to(ctx, name, to[name])
		if err != nil {
			return nil, err
		}
		changes = append(changes, one)
	}
	return changes, nil
}
