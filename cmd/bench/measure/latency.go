package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/connectors/local"
)

// lateLimit is how long after the last push an event may still arrive.
const lateLimit = 30 * time.Second

// LatencyTest pushes events at a steady rate, one at a time, and consumes them
// from the topic, read_committed, while something else moves them.
type LatencyTest struct {
	Shape   Shape
	Key     string
	Brokers []string
	Topic   string
	Users   int
	Seed    uint64
	Rate    int           // events a second
	For     time.Duration // how long to push
	Skip    time.Duration // events pushed in this time at the beginning do not count
}

// Run returns the milliseconds from just before the push of each event that
// counts to its arrival at the consumer, in the order of arrival.
func (l LatencyTest) Run(ctx context.Context, client redis.UniversalClient) ([]float64, error) {
	consumer, err := kgo.NewClient(
		kgo.SeedBrokers(l.Brokers...), kgo.ConsumeTopics(l.Topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	if err != nil {
		return nil, fmt.Errorf("Kafka client: %w", err)
	}
	defer consumer.Close()
	events := int(float64(l.Rate) * l.For.Seconds())
	ctx, cancel := context.WithTimeout(ctx, l.For+lateLimit)
	defer cancel()
	pushed := make([]atomic.Int64, events) // nanoseconds since start
	start := time.Now()
	failed := make(chan error, 1)
	go func() {
		err := l.push(ctx, client, start, pushed)
		failed <- err
		if err != nil {
			cancel()
		}
	}()
	latencies, err := l.consume(ctx, consumer, start, pushed)
	cancel()
	if pushErr := <-failed; pushErr != nil && !errors.Is(pushErr, context.Canceled) {
		return nil, pushErr
	}
	return latencies, err
}

func (l LatencyTest) push(ctx context.Context, client redis.UniversalClient, start time.Time, pushed []atomic.Int64) error {
	shop := local.NewShop(l.Seed, l.Users)
	var event []byte
	for i := range pushed {
		event, _ = shop.Append(event[:0])
		due := start.Add(time.Duration(i) * time.Second / time.Duration(l.Rate))
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return ctx.Err()
		}
		pushed[i].Store(int64(time.Since(start)))
		var err error
		if l.Shape == List {
			err = client.RPush(ctx, l.Key, event).Err()
		} else {
			err = client.XAdd(ctx, &redis.XAddArgs{Stream: l.Key, Values: []any{"payload", event}}).Err()
		}
		if err != nil {
			return fmt.Errorf("push event %d: %w", i, err)
		}
	}
	return nil
}

func (l LatencyTest) consume(ctx context.Context, consumer *kgo.Client, start time.Time, pushed []atomic.Int64) ([]float64, error) {
	first := firstTime(l.Seed, l.Users)
	skip := int(float64(l.Rate) * l.Skip.Seconds())
	latencies := make([]float64, 0, len(pushed))
	for arrived := 0; arrived < len(pushed); {
		fetches := consumer.PollFetches(ctx)
		now := time.Since(start)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%d of %d events arrived: %w", arrived, len(pushed), ctx.Err())
		}
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("consume %s: %w", l.Topic, err)
		}
		for fetch := range fetches.RecordsAll() {
			at, err := timeOf(fetch.Value)
			i := at - first
			if err != nil || i < 0 || i >= int64(len(pushed)) {
				return nil, fmt.Errorf("%s holds an event that was not pushed", l.Topic)
			}
			arrived++
			if i >= int64(skip) {
				latencies = append(latencies, float64(int64(now)-pushed[i].Load())/1e6)
			}
		}
	}
	return latencies, nil
}

// firstTime is the time of a shop's first event. Each later one happens a
// millisecond after the one before, which tells how many came before it.
func firstTime(seed uint64, users int) int64 {
	event, _ := local.NewShop(seed, users).Append(nil)
	at, err := timeOf(event)
	if err != nil {
		return 0
	}
	return at
}

// timeOf reads the field ts of an event, in milliseconds.
func timeOf(event []byte) (int64, error) {
	_, rest, _ := bytes.Cut(event, []byte(`"ts":`))
	digits, _, _ := bytes.Cut(rest, []byte{','})
	return strconv.ParseInt(string(digits), 10, 64)
}
