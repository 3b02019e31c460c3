package redis

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

var (
	_ pipeline.Peeker = (*ListSource)(nil)
	_ pipeline.Peeker = (*StreamSource)(nil)
	_ pipeline.Peeker = (*GroupSource)(nil)
)

// peekScript gives how many items were removed from a list, and items of it, so many and
// so many bytes at most, of one moment: somebody may be reading and trimming. It writes
// nothing.
var peekScript = redis.NewScript(`
local base = tonumber(redis.call('HGET', KEYS[2], 'position') or '') or 0
local first, bytes, items = math.max((tonumber(ARGV[1]) or base) - base, 0), 0, {}
for n = first, first + ARGV[2] - 1 do
  local item = redis.call('LINDEX', KEYS[1], ARGV[3] == 'lpush' and -n - 1 or n)
  if not item then break end
  bytes = bytes + #item
  if bytes > tonumber(ARGV[4]) and #items > 0 then return {tostring(base), items, 1} end
  items[#items + 1] = item
end
return {tostring(base), items, 0}`)

// Peek shows items of a list; a position before its first item stands for that.
func (s *ListSource) Peek(ctx context.Context, req pipeline.OpenRequest, b *pipeline.Batch, limit pipeline.Limit) error {
	shard, from := req.Shard, req.From
	companion, err := companionOf(shard)
	if err != nil {
		return err
	}
	if err := s.client.checkType(ctx, shard, "list"); err != nil {
		return err
	}
	after := ""
	if from != nil {
		after = strconv.FormatUint(from.Offset.Minor, 10)
	}
	reply, err := peekScript.Run(ctx, s.client, []string{shard, companion}, after, limit.Records, s.settings.PushedBy, limit.Bytes).Slice()
	if err != nil || len(reply) != 3 {
		return s.client.classify("looking at list "+shard, err)
	}
	text, _ := reply[0].(string)
	base, _ := parseUint([]byte(text))
	items, _ := reply[1].([]any)
	number := base
	if from != nil {
		number = max(base, from.Offset.Minor)
	}
	now := time.UnixMilli(time.Now().UnixMilli())
	for _, item := range items {
		value, _ := item.(string)
		number++
		r := b.Add()
		r.Offset.Minor, r.Time, r.Value = number, now, pipeline.RawValue(b.Arena.Copy([]byte(value)))
		b.Bytes += len(value)
	}
	more, _ := reply[2].(int64)
	b.Read = len(b.Records) + int(more)
	return nil
}

// Peek shows entries of a stream.
func (s *StreamSource) Peek(ctx context.Context, req pipeline.OpenRequest, b *pipeline.Batch, limit pipeline.Limit) error {
	from := req.From
	if from == nil && req.KeepsPosition {
		if kept, err := s.Place(ctx, req.Shard, pipeline.Kept, nil); err == nil {
			from = &kept
		}
	}
	after := "0-0"
	switch {
	case from != nil:
		after = from.Offset.String()
	case req.First && s.settings.Start == "newest":
		after = "$"
	case req.First && s.settings.Start != "oldest":
		after = s.settings.Start
	}
	return s.settings.peek(ctx, s.client, req.Shard, after, b, limit)
}

// Peek shows entries of a stream that the group has handed to nobody yet.
func (s *GroupSource) Peek(ctx context.Context, req pipeline.OpenRequest, b *pipeline.Batch, limit pipeline.Limit) error {
	key, after := s.keyOf(req.Shard), "0-0"
	if err := s.client.checkType(ctx, key, "stream"); err != nil {
		return err
	}
	groups, err := s.client.XInfoGroups(ctx, key).Result()
	if err != nil && !redis.HasErrorPrefix(err, "ERR no such key") {
		return s.client.classify("looking at the groups of "+key, err)
	}
	for _, g := range groups {
		if g.Name == s.settings.Group.Name {
			after = g.LastDeliveredID
		}
	}
	return s.settings.peek(ctx, s.client, key, after, b, limit)
}

// peek reads entries after an id (https://redis.io/docs/latest/commands/xread/).
func (s *StreamSettings) peek(ctx context.Context, shared *client, key, after string, b *pipeline.Batch, limit pipeline.Limit) error {
	if err := shared.checkType(ctx, key, "stream"); err != nil {
		return err
	}
	doing := "looking at stream " + key
	c, err := shared.dial(ctx, key, "")
	if err != nil {
		return shared.classify(doing, err)
	}
	defer c.close()
	defer c.interrupt(ctx)()
	c.command("XREAD", "COUNT", strconv.Itoa(limit.Records), "STREAMS", key, after)
	if err := c.flush(answerPatience); err != nil {
		return shared.classify(doing, err)
	}
	left, err := c.streamReply()
	now, parser := time.Now(), s.parser()
	for ; err == nil && left > 0 && (b.Bytes < limit.Bytes || len(b.Records) == 0); left-- {
		_, err = parser.entry(c, b, now)
	}
	b.Read = len(b.Records) + int(max(left, 0))
	return shared.classify(doing, err)
}
