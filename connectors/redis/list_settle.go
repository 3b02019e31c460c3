package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// trimScript removes committed items, if all is as expected: incarnation and
// position of the companion, the length, the first and the last item. LTRIM goes
// first: a server that is out of memory lets it through, and then lets the
// script write on.
var trimScript = redis.NewScript(`
local companion = redis.call('HMGET', KEYS[2], 'incarnation', 'position')
if companion[1] ~= ARGV[1] or companion[2] ~= ARGV[2] then return {'companion', companion[1] or '', companion[2] or ''} end
local n, lpush = tonumber(ARGV[4]), ARGV[7] == 'lpush'
local length = redis.call('LLEN', KEYS[1])
if length < n then return {'short', tostring(length)} end
local first = redis.sha1hex(redis.call('LINDEX', KEYS[1], lpush and -1 or 0))
if ARGV[5] ~= '' and first ~= ARGV[5] then return {'first', first, ARGV[5]} end
local last = redis.sha1hex(redis.call('LINDEX', KEYS[1], lpush and -n or n - 1))
if last ~= ARGV[6] then return {'last', last, ARGV[6]} end
if lpush then redis.call('LTRIM', KEYS[1], 0, -n - 1) else redis.call('LTRIM', KEYS[1], n, -1) end
redis.call('HSET', KEYS[2], 'position', ARGV[3])
return {'trimmed'}`)

// Settle trims what is committed. It takes turns with reading.
func (r *listReader) Settle(ctx context.Context, p pipeline.Position) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	if err := r.live.usable(); err != nil {
		return err
	}
	if p.Incarnation != r.incarnation {
		return nil // of a list that has ended: there is nothing to clean up
	}
	err := r.trim(ctx, p)
	if pipeline.ClassOf(err) == pipeline.Gap && r.source.settings.OnGap == "continue" {
		r.broken, err = err, nil
	}
	if err == nil {
		select {
		case r.settledNow <- struct{}{}:
		default:
		}
	}
	return err
}

// trim runs the script, again where the companion's position was another one.
func (r *listReader) trim(ctx context.Context, p pipeline.Position) error {
	for to := p.Offset.Minor; to > r.base; {
		reply, err := trimScript.Run(ctx, r.source.client, []string{r.key, r.companion},
			p.Incarnation, strconv.FormatUint(r.base, 10), strconv.FormatUint(to, 10), strconv.FormatUint(to-r.base, 10),
			r.firstHash(), p.Evidence.Hash, r.source.settings.PushedBy).StringSlice()
		if err != nil {
			return r.source.client.classify("trimming list "+r.key, err)
		}
		switch reply = append(reply, "", "", ""); reply[0] {
		case "trimmed":
			r.trimmedTo(to)
		case "companion":
			before := r.base
			if err := r.seen(reply[1], reply[2], to); err != nil {
				return err
			}
			if r.base == before {
				return r.gap("its companion "+r.companion+" cannot be read: "+side(reply[1], reply[2]), to)
			}
		default:
			return r.notTrimmed(reply, to)
		}
	}
	return nil
}

// firstHash gives the hash of the first item that is not trimmed, "" where it
// was not read by this reader.
func (r *listReader) firstHash() string {
	if len(r.runs) == 0 || r.runs[0].start != r.base {
		return ""
	}
	return r.runs[0].first
}

// notTrimmed tells why the script refused.
func (r *listReader) notTrimmed(reply []string, to uint64) error {
	if reply[0] == "short" {
		return r.gap(fmt.Sprintf("it holds %s items where %d are committed and not removed: %s", reply[1], to-r.base, r.culprit()), to)
	}
	return r.gap(fmt.Sprintf("the %s of the committed items has SHA-1 %s where %s was committed: %s", reply[0], reply[1], reply[2], r.culprit(otherEnd)), to)
}

// tailScript gives companion and length of one moment.
var tailScript = redis.NewScript(`
local companion = redis.call('HMGET', KEYS[2], 'incarnation', 'position')
return {companion[1] or '', companion[2] or '', tostring(redis.call('LLEN', KEYS[1]))}`)

// Tail is the position after what the list holds now. There is none while the
// list is about to be taken as a new one.
func (r *listReader) Tail(ctx context.Context) (pipeline.Position, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	if err := r.live.usable(); err != nil {
		return pipeline.Position{}, err
	}
	reply, err := tailScript.Run(ctx, r.source.client, []string{r.key, r.companion}).StringSlice()
	if err != nil {
		return pipeline.Position{}, r.source.client.classify("looking for the tail of list "+r.key, err)
	}
	removed, known := parseUint([]byte(reply[1]))
	length, _ := parseUint([]byte(reply[2]))
	if r.broken != nil || reply[0] != r.incarnation || !known {
		return pipeline.Position{}, &pipeline.Error{Class: pipeline.Retryable, What: "list " + r.key + " does not continue what was read, as the next look at it will tell"}
	}
	p := r.start
	p.Offset.Minor = removed + length
	return p, nil
}

// Lag is what the list holds beyond what was read.
func (r *listReader) Lag(ctx context.Context) (int64, error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	length, err := r.length(ctx)
	if err != nil {
		return -1, err
	}
	if last := len(r.runs) - 1; last >= 0 {
		length -= min(length, r.runs[last].end-r.base)
	}
	return int64(length), nil //nolint:gosec // a length
}

// length is that of the list, read or not, with the turn held.
func (r *listReader) length(ctx context.Context) (uint64, error) {
	if err := r.live.usable(); err != nil {
		return 0, err
	}
	length, err := r.source.client.LLen(ctx, r.key).Result()
	return uint64(length), r.source.client.classify("looking at the length of list "+r.key, err) //nolint:gosec // a length
}
