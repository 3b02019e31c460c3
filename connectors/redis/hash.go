package redis

import (
	"context"
	"log/slog"
)

// Hash is a hash of Redis, to look things up in.
type Hash struct {
	client *client
	key    string
}

// NewHash makes one for the hash at key. It connects to nobody yet. Errors: Permanent, of
// settings and files.
func NewHash(c Connection, key string, log *slog.Logger) (*Hash, error) {
	shared, err := c.newClient(log)
	if err != nil {
		return nil, err
	}
	return &Hash{shared, key}, nil
}

// fieldsAtOnce is how many fields one command asks for.
const fieldsAtOnce = 1000

// Get gives the values of fields, in their order, nil where there is none, by HMGET
// (https://redis.io/docs/latest/commands/hmget/). Errors: Unreachable, Retryable, Permanent
// where the key holds no hash.
func (h *Hash) Get(ctx context.Context, fields [][]byte) ([][]byte, error) {
	values := make([][]byte, 0, len(fields))
	for len(fields) > 0 {
		some := make([]string, min(len(fields), fieldsAtOnce))
		for i := range some {
			some[i] = string(fields[i])
		}
		answers, err := h.client.HMGet(ctx, h.key, some...).Result()
		if err != nil {
			return nil, h.client.classify("looking up in hash "+h.key, err)
		}
		for _, answer := range answers {
			text, ok := answer.(string)
			if !ok {
				values = append(values, nil)
				continue
			}
			values = append(values, append([]byte{}, text...))
		}
		fields = fields[len(some):]
	}
	return values, nil
}

// Close closes the connections. It may be called more than once.
func (h *Hash) Close() error { return h.client.Close() }
