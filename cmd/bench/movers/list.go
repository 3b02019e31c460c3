package movers

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// trimScript removes the first ARGV[2] items if the position (items removed so
// far) is ARGV[1] and the first and last of them have the SHA-1 ARGV[3] and
// ARGV[4]. It replies with the new position.
var trimScript = redis.NewScript(`
local n = tonumber(ARGV[2])
if (redis.call('HGET', KEYS[2], 'position') or '0') ~= ARGV[1] then
  return redis.error_reply('another client has moved the position')
end
local first, last = redis.call('LINDEX', KEYS[1], 0), redis.call('LINDEX', KEYS[1], n - 1)
if not first or not last or redis.sha1hex(first) ~= ARGV[3] or redis.sha1hex(last) ~= ARGV[4] then
  return redis.error_reply('the list does not begin with what was committed')
end
redis.call('LTRIM', KEYS[1], n, -1)
return redis.call('HINCRBY', KEYS[2], 'position', n)
`)

// moveListByStep reads from a position, commits a transaction every 20 replies
// and trims what it has committed, one step after the other.
func moveListByStep(ctx context.Context, job Job) error {
	client := newRedis(job)
	defer client.Close()
	sink, err := newTransactor(ctx, job)
	if err != nil {
		return err
	}
	defer sink.close()

	list := newListReader(client, job.Key)
	for moved := 0; moved < job.Events; {
		var read span
		for range batchesPerTransaction {
			events, err := list.read(ctx)
			if err != nil {
				return err
			}
			if len(events) == 0 {
				break
			}
			for _, event := range events {
				sink.write(ctx, []byte(event))
			}
			moved += len(events)
			read.join(spanOf(events))
		}
		if err := sink.commit(ctx, strconv.FormatInt(list.cursor, 10)); err != nil {
			return err
		}
		if err := list.trim(ctx, read); err != nil {
			return err
		}
	}
	return nil
}

// span is a run of items, by number of items and the hashes of the two ends.
type span struct {
	items       int64
	first, last string
}

// spanOf is the span of the items.
func spanOf(items []string) span {
	if len(items) == 0 {
		return span{}
	}
	return span{items: int64(len(items)), first: items[0], last: items[len(items)-1]}
}

// join makes the span longer by another that follows it.
func (s *span) join(next span) {
	if next.items == 0 {
		return
	}
	if s.items == 0 {
		s.first = next.first
	}
	s.last = next.last
	s.items += next.items
}

// listReader reads a list from its head without removing anything, and trims it
// when told so. Not safe for concurrent use: a read beside a trim skips items.
type listReader struct {
	client    *redis.Client
	key       string
	companion string // hash that holds the position
	cursor    int64  // items read, ever
	position  int64  // items removed, ever
}

func newListReader(client *redis.Client, key string) *listReader {
	return &listReader{client: client, key: key, companion: "bench:{" + key + "}"}
}

// read returns the next items, up to batchSize; none: the list has no more.
func (l *listReader) read(ctx context.Context) ([]string, error) {
	var position *redis.StringCmd
	var items *redis.StringSliceCmd
	offset := l.cursor - l.position
	_, err := l.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		position = pipe.HGet(ctx, l.companion, "position")
		items = pipe.LRange(ctx, l.key, offset, offset+batchSize-1)
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("LRANGE %s: %w", l.key, err)
	}
	if at, err := position.Int64(); err == nil && at != l.position {
		return nil, fmt.Errorf("another client reads %s too: position %d, not %d", l.key, at, l.position)
	}
	l.cursor += int64(len(items.Val()))
	return items.Val(), nil
}

// trim removes the span from the head of the list.
func (l *listReader) trim(ctx context.Context, s span) error {
	if s.items == 0 {
		return nil
	}
	position, err := trimScript.Run(ctx, l.client, []string{l.key, l.companion},
		l.position, s.items, hash(s.first), hash(s.last)).Int64()
	if err != nil {
		return fmt.Errorf("trim %s: %w", l.key, err)
	}
	l.position = position
	return nil
}

func hash(item string) string {
	sum := sha1.Sum([]byte(item))
	return hex.EncodeToString(sum[:])
}
