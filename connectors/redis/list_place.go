package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

var _ pipeline.Placer = (*ListSource)(nil)

// placeScript gives the companion, the length, and the SHA-1 of the item at a place, of
// one moment: somebody may be reading and trimming. It writes nothing.
var placeScript = redis.NewScript(`
local companion = redis.call('HMGET', KEYS[2], 'version', 'incarnation', 'position')
local length = redis.call('LLEN', KEYS[1])
local n = ARGV[1] == 'newest' and length or (tonumber(ARGV[1]) or 0) - (tonumber(companion[3] or '') or 0)
local hash = ''
if n >= 1 and n <= length then hash = redis.sha1hex(redis.call('LINDEX', KEYS[1], ARGV[2] == 'lpush' and -n or n - 1)) end
return {companion[1] or '', companion[2] or '', companion[3] or '', tostring(length), hash}`)

// Place gives a place of the list, counted in items since it was first read: from as
// many as were removed (oldest, and kept) to all there were (newest). What lies before
// a chosen place is removed unread when the list is opened there.
func (s *ListSource) Place(ctx context.Context, shard, at string, _ *pipeline.Position) (pipeline.Position, error) {
	companion, err := companionOf(shard)
	if err != nil {
		return pipeline.Position{}, err
	}
	reply, err := placeScript.Run(ctx, s.client, []string{shard, companion}, strings.TrimPrefix(at, "0-"), s.settings.PushedBy).Slice()
	if err != nil {
		return pipeline.Position{}, s.client.classify("looking at list "+shard, err)
	}
	incarnation, base, err := readCompanion(companion, reply)
	if err != nil {
		return pipeline.Position{}, err
	}
	if incarnation == "" {
		return pipeline.Position{}, &pipeline.Error{Class: pipeline.Permanent, What: "list " + shard + " was never read: it has no companion " + companion,
			Do: "start the pipeline: it reads the list from its head"}
	}
	text, _ := reply[3].(string)
	length, _ := parseUint([]byte(text))
	n, ok := countOf(at, base, base+length)
	if !ok || n < base || n > base+length {
		return pipeline.Position{}, &pipeline.Error{Class: pipeline.Permanent,
			What: fmt.Sprintf("list %s has no place %s: %d items were removed from it, and it holds %d more", shard, at, base, length),
			Do:   fmt.Sprintf("choose a number from %d to %d, or oldest, or newest", base, base+length)}
	}
	p := pipeline.Position{Incarnation: incarnation, Offset: pipeline.Offset{Minor: n}}
	p.Evidence.Added = n
	p.Evidence.Hash, _ = reply[4].(string)
	return p, nil
}

// countOf reads a place of a list: a name, or a count, which may be written as positions
// are (0-6).
func countOf(at string, base, end uint64) (uint64, bool) {
	switch at {
	case pipeline.Oldest, pipeline.Kept:
		return base, true
	case pipeline.Newest:
		return end, true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(at, "0-"), 10, 64)
	return n, err == nil
}

// forgetScript removes a companion where it is of an incarnation, or of none that is
// known.
var forgetScript = redis.NewScript(`
local is = redis.call('HGET', KEYS[1], 'incarnation')
if is and ARGV[1] ~= '' and is ~= ARGV[1] then return is end
redis.call('DEL', KEYS[1])
return ''`)

// Forget removes the list's companion: what the list holds is read from its head then.
func (s *ListSource) Forget(ctx context.Context, shard string, last *pipeline.Position) error {
	companion, err := companionOf(shard)
	if err != nil {
		return err
	}
	incarnation := ""
	if last != nil {
		incarnation = last.Incarnation
	}
	other, err := forgetScript.Run(ctx, s.client, []string{companion}, incarnation).Text()
	if err != nil {
		return s.client.classify("removing the companion of list "+shard, err)
	}
	if other != "" {
		return &pipeline.Error{Class: pipeline.Gap, What: fmt.Sprintf("the companion %s is of incarnation %s, and %s was committed", companion, other, incarnation),
			Do: "another pipeline reads the list, or it was made again; delete the companion where you know that nobody reads it"}
	}
	return nil
}
