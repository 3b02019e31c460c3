package movers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// moveStreamByStep reads from a position and commits a transaction every 20
// replies, one step after the other.
func moveStreamByStep(ctx context.Context, job Job) error {
	client := newRedis(job)
	defer client.Close()
	sink, err := newTransactor(ctx, job)
	if err != nil {
		return err
	}
	defer sink.close()

	stream := streamReader{client: client, key: job.Key, position: "0-0"}
	for moved := 0; moved < job.Events; {
		for range batchesPerTransaction {
			entries, err := stream.read(ctx)
			if err != nil {
				return err
			}
			for i := range entries {
				event, err := payloadOf(entries[i])
				if err != nil {
					return err
				}
				sink.write(ctx, event)
			}
			if moved += len(entries); moved >= job.Events {
				break
			}
		}
		if err := sink.commit(ctx, stream.position); err != nil {
			return err
		}
	}
	return nil
}

// streamReader reads a stream without a consumer group: the position is its own.
type streamReader struct {
	client   *redis.Client
	key      string
	position string // id of the last entry that was read
}

// read returns what follows the position, up to batchSize entries, and moves it.
// It waits for the first entry, a second at a time: go-redis cannot interrupt a
// reply that it waits for.
func (s *streamReader) read(ctx context.Context) ([]redis.XMessage, error) {
	for {
		streams, err := s.client.XRead(ctx, &redis.XReadArgs{
			Streams: []string{s.key, s.position}, Count: batchSize, Block: time.Second,
		}).Result()
		if errors.Is(err, redis.Nil) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("XREAD %s: %w", s.key, err)
		}
		entries := streams[0].Messages
		s.position = entries[len(entries)-1].ID
		return entries, nil
	}
}

func payloadOf(entry redis.XMessage) ([]byte, error) {
	payload, ok := entry.Values["payload"].(string)
	if !ok {
		return nil, fmt.Errorf("entry %s has no field payload", entry.ID)
	}
	return []byte(payload), nil
}
