package redis

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// settleScript trims, where the entry at the position is there: a stream that was
// made again with lower ids is not the one that was committed. Then it keeps the
// position: a server that is out of memory lets a script that has trimmed write on.
var settleScript = redis.NewScript(`
if ARGV[1] == '1' and #redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2]) == 1 then
  redis.call('XTRIM', KEYS[1], 'MINID', ARGV[2])
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[2], 'version', '` + companionVersion + `', 'kept', ARGV[3]) end
return 1`)

// Settle trims what is committed, where the settings say so, and keeps the
// position, where the sink does not. The entry at the position stays, as an
// anchor: while it is there, nothing was trimmed past it.
func (r *streamReader) Settle(ctx context.Context, p pipeline.Position) error {
	trims := r.source.settings.Trim == "after_commit"
	if err := r.live.usable(); err != nil || !r.keeps && !trims {
		return err
	}
	keys, kept := []string{r.key}, ""
	if r.keeps {
		companion, err := companionOf(r.key)
		if err != nil {
			return err
		}
		text, err := json.Marshal(p)
		if err != nil {
			return err
		}
		keys, kept = append(keys, companion), string(text)
	}
	err := settleScript.Run(ctx, r.source.client, keys, trims, p.Offset.String(), kept).Err()
	return r.source.client.classify("cleaning up stream "+r.key, err)
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
	if err := r.live.usable(); err != nil {
		return pipeline.Position{}, err
	}
	p := *r.began.Load()
	newest, err := r.source.client.XRevRangeN(ctx, r.key, "+", "-", 1).Result()
	if err != nil {
		return pipeline.Position{}, r.source.client.classify("looking at the end of stream "+r.key, err)
	}
	if len(newest) == 1 {
		p.Offset, _ = parseID([]byte(newest[0].ID))
	}
	r.tail.Store(&p)
	return p, nil
}

// Lag is what was ever added less what was read, where that is known.
func (r *streamReader) Lag(ctx context.Context) (int64, error) {
	if err := r.live.usable(); err != nil {
		return -1, err
	}
	g, err := r.glance(ctx)
	added := r.added.Load()
	if err != nil || g.exists && !g.counted || added < 0 {
		return -1, err
	}
	return max(0, int64(g.added)-added), nil //nolint:gosec // a count
}
