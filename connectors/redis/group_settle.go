package redis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

const (
	// ackChunk bounds the ids of one XACK.
	ackChunk = 10_000
	// markEvery is how often the watermark is kept.
	markEvery = time.Second
	// forgetAfter is after how many times claim_idle a silent consumer that holds
	// nothing is removed.
	forgetAfter = 10
)

// Settle acknowledges what is delivered, up to p
// (https://redis.io/docs/latest/commands/xack/).
func (r *groupReader) Settle(ctx context.Context, p pipeline.Position) error {
	if err := r.live.usable(); err != nil {
		return err
	}
	r.mu.Lock()
	ids := slices.Clone(r.delivered[:r.acknowledged(p)])
	r.mu.Unlock()
	for chunk := range slices.Chunk(ids, ackChunk) {
		if err := r.source.client.XAck(ctx, r.key, r.source.settings.Group.Name, texts(chunk)...).Err(); err != nil {
			return r.source.client.classify("acknowledging entries of stream "+r.key, err)
		}
	}
	r.mu.Lock()
	r.delivered = slices.Delete(r.delivered, 0, len(ids))
	empty, due := len(r.delivered) == 0, time.Since(r.marked) >= markEvery
	r.mu.Unlock()
	if empty {
		select {
		case r.settled <- struct{}{}:
		default:
		}
	}
	if !due {
		return nil
	}
	return r.mark(ctx)
}

func texts(ids []pipeline.Offset) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}

// allSettled waits until everything that was read is acknowledged.
func (r *groupReader) allSettled(ctx context.Context) error {
	for {
		r.mu.Lock()
		empty := len(r.delivered) == 0
		r.mu.Unlock()
		if empty {
			return r.live.usable()
		}
		select {
		case <-r.settled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// mark keeps, beside the stream, up to where the group has acknowledged all: there
// it is made again, should it be lost.
func (r *groupReader) mark(ctx context.Context) error {
	companion, err := companionOf(r.key)
	if err != nil {
		return err
	}
	group := r.source.settings.Group.Name
	at, _, err := r.look(ctx) // first: what is handed out after it does not count
	if isNoGroup(err) {
		return nil // Wait makes it again
	}
	if err != nil {
		return err
	}
	pending, err := r.source.client.XPending(ctx, r.key, group).Result()
	if err != nil {
		return r.source.client.classify("looking at group "+group, err)
	}
	if pending.Count > 0 {
		first, _ := parseID([]byte(pending.Lower))
		at = before(first).String()
	}
	if err := r.source.client.HSet(ctx, companion, "version", companionVersion, "group "+group, at).Err(); err != nil {
		return r.source.client.classify("keeping the watermark of group "+group, err)
	}
	r.mu.Lock()
	r.marked = time.Now()
	r.mu.Unlock()
	return nil
}

// before gives the id before one.
func before(id pipeline.Offset) pipeline.Offset {
	switch {
	case id.Minor > 0:
		id.Minor--
	case id.Major > 0:
		id.Major, id.Minor = id.Major-1, math.MaxUint64
	}
	return id
}

// after gives the id after one.
func after(id pipeline.Offset) pipeline.Offset {
	if id.Minor == math.MaxUint64 {
		return pipeline.Offset{Major: id.Major + 1}
	}
	id.Minor++
	return id
}

// look gives the group's last-delivered-id, and its lag, -1 where Redis does not
// tell (https://redis.io/docs/latest/commands/xinfo-groups/).
func (r *groupReader) look(ctx context.Context) (last string, lag int64, err error) {
	reply, err := r.source.client.Do(ctx, "XINFO", "GROUPS", r.key).Slice()
	if err != nil {
		return "", -1, r.source.client.classify("looking at the groups of stream "+r.key, err)
	}
	for _, entry := range reply {
		fields, _ := entry.([]any)
		group := map[string]any{}
		for i := 0; i+1 < len(fields); i += 2 {
			group[fmt.Sprint(fields[i])] = fields[i+1]
		}
		if group["name"] != r.source.settings.Group.Name {
			continue
		}
		last, _ = group["last-delivered-id"].(string)
		if n, tells := group["lag"].(int64); tells {
			return last, n, nil
		}
		return last, -1, nil
	}
	return "", -1, r.source.client.classify("looking at the groups of stream "+r.key, errNoGroup)
}

var errNoGroup = replyError("NOGROUP the group is gone")

// isNoGroup tells whether the group, or the stream, is gone.
func isNoGroup(err error) bool {
	if err == nil {
		return false
	}
	if reply, ok := errors.AsType[replyError](err); ok {
		return strings.HasPrefix(string(reply), "NOGROUP")
	}
	var answer redis.Error
	return errors.As(err, &answer) && strings.HasPrefix(answer.Error(), "NOGROUP")
}

// makeGroup makes the group where it is missing: at its watermark, and where it has
// none at the start that the settings say.
func (r *groupReader) makeGroup(ctx context.Context) error {
	companion, err := companionOf(r.key)
	if err != nil {
		return err
	}
	client, group := r.source.client, r.source.settings.Group.Name
	at, err := client.HGet(ctx, companion, "group "+group).Result()
	switch {
	case errors.Is(err, redis.Nil):
		at = map[string]string{"oldest": "0", "newest": "$"}[r.source.settings.Start]
		if at == "" {
			at = r.source.settings.Start
		}
	case err != nil:
		return client.classify("looking for the watermark of group "+group, err)
	default:
		if at, err = r.within(ctx, at); err != nil {
			return err
		}
	}
	err = client.XGroupCreateMkStream(ctx, r.key, group, at).Err()
	if err == nil || strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return nil
	}
	return client.classify("making group "+group, err)
}

// within holds a watermark against the stream: where that ends before, it is
// another one.
func (r *groupReader) within(ctx context.Context, at string) (string, error) {
	mark, ok := parseID([]byte(at))
	newest, err := r.source.client.XInfoStream(ctx, r.key).Result()
	if err != nil && strings.Contains(err.Error(), "no such key") {
		newest, err = &redis.XInfoStream{LastGeneratedID: "0-0"}, nil
	}
	if err != nil {
		return "", r.source.client.classify("looking at stream "+r.key, err)
	}
	last, _ := parseID([]byte(newest.LastGeneratedID))
	if ok && last.Compare(mark) >= 0 {
		return at, nil
	}
	if r.source.settings.OnGap == "continue" {
		r.source.client.log.Warn("the stream is taken as a new one, from its start", "stream", r.key, "group", r.source.settings.Group.Name, "acknowledged", at, "last", newest.LastGeneratedID)
		return "0", nil
	}
	return "", &pipeline.Error{Class: pipeline.Gap,
		What: fmt.Sprintf("stream %s does not continue what group %s has acknowledged: up to %s, and the stream's last id is %s", r.key, r.source.settings.Group.Name, at, newest.LastGeneratedID),
		Do:   "it was deleted and made again, or Redis lost its newest entries; to read it from the start, as a new stream, say on_gap: continue"}
}

// regroup makes the group again when it is gone: what was handed out comes again.
func (r *groupReader) regroup(ctx context.Context) error {
	r.reset()
	if err := r.allSettled(ctx); err != nil {
		return err
	}
	r.source.client.log.Warn("the consumer group is gone; it is made again where all was acknowledged", "stream", r.key, "group", r.source.settings.Group.Name)
	if err := r.makeGroup(ctx); err != nil {
		return err
	}
	r.begin()
	return nil
}

// removeScript removes a consumer that holds nothing: one that is removed takes its
// pending entries with it (https://redis.io/docs/latest/commands/xgroup-delconsumer/).
var removeScript = redis.NewScript(`
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1`)

// removeIdle removes the consumers of a group that have been silent for idle and hold
// nothing, and names them. Those of this process it passes over: one that waits for new
// entries is silent to Redis before 7.2.
func removeIdle(ctx context.Context, client redis.UniversalClient, key, group string, own func(consumer string) bool, idle time.Duration) (removed []string, err error) {
	consumers, err := client.XInfoConsumers(ctx, key, group).Result()
	for _, c := range consumers {
		if c.Pending > 0 || c.Idle < idle || own(c.Name) {
			continue
		}
		if err := removeScript.Run(ctx, client, []string{key}, group, c.Name).Err(); err != nil {
			return removed, err
		}
		removed = append(removed, c.Name)
	}
	return removed, err
}

// Tail makes the reader end when the group has nothing new: which entry it will be
// handed last nobody knows. The position is one that no entry reaches.
func (r *groupReader) Tail(context.Context) (pipeline.Position, error) {
	r.draining.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	return pipeline.Position{Incarnation: r.incarnation, Offset: pipeline.Offset{Major: math.MaxUint64, Minor: math.MaxUint64}}, r.live.usable()
}

// Lag is what the group was not handed yet, where Redis tells.
func (r *groupReader) Lag(ctx context.Context) (int64, error) {
	if err := r.live.usable(); err != nil {
		return -1, err
	}
	_, lag, err := r.look(ctx)
	return lag, err
}

// Close ends the reading, and leaves the group where it holds nothing and was only
// named for this start. The error is always nil.
func (r *groupReader) Close() error {
	r.live.close()
	if r.source.settings.Group.Consumer == "" {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		removeScript.Run(ctx, r.source.client, []string{r.key}, r.source.settings.Group.Name, r.consumer) // a later start does it
	}
	return nil
}
