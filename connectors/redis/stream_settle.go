package redis

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// Settle trims what is committed, where the settings say so, and keeps the
// position, where the sink does not. The entry at the position stays, as an
// anchor: while it is there, nothing was trimmed past it.
func (r *streamReader) Settle(ctx context.Context, p pipeline.Position) error {
	if r.keeps {
		if err := r.keep(ctx, p); err != nil {
			return err
		}
	}
	if r.source.settings.Trim != "after_commit" {
		return nil
	}
	err := r.source.client.XTrimMinID(ctx, r.key, p.Offset.String()).Err()
	return r.source.client.classify("trimming stream "+r.key, err)
}

// keep stores the position in the companion.
func (r *streamReader) keep(ctx context.Context, p pipeline.Position) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	companion, err := companionOf(r.key)
	if err != nil {
		return err
	}
	err = r.source.client.HSet(ctx, companion, "version", companionVersion, "kept", text).Err()
	return r.source.client.classify("keeping the position of stream "+r.key, err)
}

// kept reads the position from the companion; nil: there is none.
func (r *streamReader) kept(ctx context.Context) (*pipeline.Position, error) {
	companion, err := companionOf(r.key)
	if err != nil {
		return nil, err
	}
	text, err := r.source.client.HGet(ctx, companion, "kept").Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, r.source.client.classify("reading the position of stream "+r.key, err)
	}
	var p pipeline.Position
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "the position in " + companion + " cannot be read", Err: err,
			Do: "somebody else wrote there; delete it to start again from the oldest entry"}
	}
	return &p, nil
}

// Tail is the newest entry there is.
func (r *streamReader) Tail(ctx context.Context) (pipeline.Position, error) {
	newest, err := r.source.client.XRevRangeN(ctx, r.key, "+", "-", 1).Result()
	if err != nil {
		return pipeline.Position{}, r.source.client.classify("looking at the end of stream "+r.key, err)
	}
	p := r.start
	if len(newest) == 1 {
		p.Offset, _ = parseID([]byte(newest[0].ID))
	}
	r.tail.Store(&p.Offset)
	return p, nil
}

// Lag is what was ever added less what was read, where the server counts.
func (r *streamReader) Lag(ctx context.Context) (int64, error) {
	g, err := r.glance(ctx)
	read := r.read.Load()
	if err != nil || !g.counted || read == 0 && g.first != (pipeline.Offset{}) && r.start.Offset != (pipeline.Offset{}) {
		return -1, err
	}
	return int64(g.added - min(g.added, read)), nil //nolint:gosec // a count
}
