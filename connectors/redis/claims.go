package redis

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Claims is a store of keys that instances and pipelines share: who was first with a key.
// Each is a key of Redis, penstock:dedupe:{<name>}:<key>, that holds the version, the
// place that has it and its time, "1 place 1700000000000"; in a Cluster all of a name lie in
// one slot. They are kept for twice the time within which keys count. Frozen. What a
// failover of Redis loses of them is claimed again by who comes next.
type Claims struct {
	client *client
	prefix string
	within time.Duration
}

// NewClaims makes a store at the server of c. It connects to nobody yet. Errors: Permanent,
// of settings and files.
func NewClaims(c Connection, name string, within time.Duration, log *slog.Logger) (*Claims, error) {
	shared, err := c.newClient(log)
	if err != nil {
		return nil, err
	}
	return &Claims{shared, companionPrefix + "dedupe:{" + name + "}:", within}, nil
}

// claimsAtOnce is how many keys one script looks at: Redis does nothing else meanwhile.
const claimsAtOnce = 1000

// claimScript claims KEYS for the places and times that follow two arguments: how far apart
// two times may be, and how long a key is kept, both in ms.
var claimScript = redis.NewScript(`local taken = {}
for i, key in ipairs(KEYS) do
  local place, time = ARGV[2*i+1], ARGV[2*i+2]
  local held = redis.call("get", key)
  local by, at = string.match(held or "", "^1 (%S+) (%-?%d+)$")
  if by and by ~= place and math.abs(tonumber(at) - tonumber(time)) < tonumber(ARGV[1]) then
    taken[i] = 1
  else
    taken[i] = 0
    if by ~= place then redis.call("set", key, "1 " .. place .. " " .. time, "px", ARGV[2]) end
  end
end
return taken`)

// releaseScript removes KEYS where the place of each has them.
var releaseScript = redis.NewScript(`for i, key in ipairs(KEYS) do
  local by = string.match(redis.call("get", key) or "", "^1 (%S+) ")
  if by == ARGV[i] then redis.call("del", key) end
end
return 0`)

// Claim claims keys for places, by one script for up to 1,000 of them
// (https://redis.io/docs/latest/commands/evalsha/). Errors: Unreachable, Retryable.
func (c *Claims) Claim(ctx context.Context, keys, places []string, times []int64) ([]bool, error) {
	taken := make([]bool, 0, len(keys))
	within, keep := strconv.FormatInt(c.within.Milliseconds(), 10), strconv.FormatInt(2*c.within.Milliseconds(), 10)
	for from := 0; from < len(keys); from += claimsAtOnce {
		to := min(from+claimsAtOnce, len(keys))
		args := []any{within, keep}
		for i := from; i < to; i++ {
			args = append(args, places[i], times[i])
		}
		answers, err := claimScript.Run(ctx, c.client, c.names(keys[from:to]), args...).Int64Slice()
		if err != nil {
			return nil, c.client.classify("claiming keys of dedupe", err)
		}
		for _, answer := range answers {
			taken = append(taken, answer == 1)
		}
	}
	return taken, nil
}

// Release releases keys that places have. Errors as those of Claim.
func (c *Claims) Release(ctx context.Context, keys, places []string) error {
	for from := 0; from < len(keys); from += claimsAtOnce {
		to := min(from+claimsAtOnce, len(keys))
		args := make([]any, 0, claimsAtOnce)
		for _, place := range places[from:to] {
			args = append(args, place)
		}
		if err := releaseScript.Run(ctx, c.client, c.names(keys[from:to]), args...).Err(); err != nil {
			return c.client.classify("releasing keys of dedupe", err)
		}
	}
	return nil
}

func (c *Claims) names(keys []string) []string {
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = c.prefix + key
	}
	return names
}

// Close closes the connections. It may be called more than once.
func (c *Claims) Close() error { return c.client.Close() }
