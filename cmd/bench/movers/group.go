package movers

import (
	"context"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
)

// group is the consumer group of the loop by hand.
const group = "bench"

// moveStreamByGroup reads as a consumer of a group, and acknowledges a reply to
// Redis when Kafka has acknowledged its events, while the next one is under way.
func moveStreamByGroup(ctx context.Context, job Job) error {
	codec, ok := codecs[job.Compression]
	if !ok {
		return fmt.Errorf("no compression is called %q; there are none, gzip, snappy, lz4, zstd", job.Compression)
	}
	client := newRedis(job)
	defer client.Close()
	kafka, err := kgo.NewClient(
		kgo.SeedBrokers(job.Brokers...),
		kgo.ProducerBatchCompression(codec),
		kgo.MaxBufferedRecords(4*batchSize*batchesInFlight),
	)
	if err != nil {
		return fmt.Errorf("Kafka client: %w", err)
	}
	defer kafka.Close()
	if err := client.XGroupCreate(ctx, job.Key, group, "0").Err(); err != nil {
		return fmt.Errorf("XGROUP CREATE %s: %w", job.Key, err)
	}
	last := &sent{}
	for moved := 0; moved < job.Events; {
		reply, err := client.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: "loop", Streams: []string{job.Key, ">"}, Count: batchSize,
		}).Result()
		if err != nil {
			return fmt.Errorf("XREADGROUP %s: %w", job.Key, err)
		}
		next, err := send(ctx, kafka, job.Topic, reply[0].Messages)
		if err != nil {
			return err
		}
		if err := last.acknowledge(ctx, client, job.Key); err != nil {
			return err
		}
		last = next
		moved += len(next.ids)
	}
	return last.acknowledge(ctx, client, job.Key)
}

// sent is the entries of a reply on their way to Kafka.
type sent struct {
	ids    []string
	all    sync.WaitGroup
	mu     sync.Mutex // promises run on goroutines of the client
	failed error
}

// send enqueues the events of entries, in their order.
func send(ctx context.Context, kafka *kgo.Client, topic string, entries []redis.XMessage) (*sent, error) {
	s := &sent{ids: make([]string, len(entries))}
	for i, entry := range entries {
		event, err := payloadOf(entry)
		if err != nil {
			return nil, err
		}
		s.ids[i] = entry.ID
		s.all.Add(1)
		kafka.Produce(ctx, recordOf(topic, event), s.promise)
	}
	return s, nil
}

func (s *sent) promise(_ *kgo.Record, err error) {
	defer s.all.Done()
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err
}

// acknowledge waits until Kafka has taken the events, and tells the group.
func (s *sent) acknowledge(ctx context.Context, client *redis.Client, key string) error {
	s.all.Wait()
	if s.failed != nil {
		return fmt.Errorf("produce: %w", s.failed)
	}
	if len(s.ids) == 0 {
		return nil
	}
	if err := client.XAck(ctx, key, group, s.ids...).Err(); err != nil {
		return fmt.Errorf("XACK %s: %w", key, err)
	}
	return nil
}
