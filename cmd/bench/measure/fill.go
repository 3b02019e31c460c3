package measure

import (
	"context"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/connectors/local"
)

// Shape is the kind of key that events are pushed into.
type Shape string

// The shapes.
const (
	List   Shape = "list"   // RPUSH key event
	Stream Shape = "stream" // XADD key * payload event
)

// fillBatch is how many events go to Redis in one round trip.
const fillBatch = 1000

// Fill says which events to push, and where.
type Fill struct {
	Shape  Shape
	Key    string
	Shards int // above 1: keys Key:0, Key:1…, a user's events all in one
	Users  int
	Seed   uint64
	Events int
	Rate   int // events a second; 0: as fast as it goes
}

// Keys are the keys that the events go to.
func (f Fill) Keys() []string {
	if f.Shards <= 1 {
		return []string{f.Key}
	}
	keys := make([]string, f.Shards)
	for i := range keys {
		keys[i] = f.Key + ":" + strconv.Itoa(i)
	}
	return keys
}

// Run pushes the events in order and returns when Redis has them all. Progress,
// which may be nil, is called now and then with the events pushed so far.
func (f Fill) Run(ctx context.Context, client redis.UniversalClient, progress func(events int)) error {
	if f.Shape != List && f.Shape != Stream {
		return fmt.Errorf("no shape is called %q; there are list and stream", f.Shape)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan redis.Pipeliner, 1) // one is made while another is sent
	go f.generate(ctx, client, ready)
	pushed, start := 0, time.Now()
	for pipe := range ready {
		if err := f.pace(ctx, start, pushed); err != nil {
			return err
		}
		n := pipe.Len()
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("push events into %s: %w", f.Key, err)
		}
		pushed += n
		if progress != nil {
			progress(pushed)
		}
	}
	return ctx.Err()
}

// generate sends pipelines that hold all the events, and closes ready.
func (f Fill) generate(ctx context.Context, client redis.UniversalClient, ready chan<- redis.Pipeliner) {
	defer close(ready)
	shop, keys, size := local.NewShop(f.Seed, f.Users), f.Keys(), fillBatch
	if f.Rate > 0 {
		size = max(1, min(size, f.Rate/100))
	}
	for left := f.Events; left > 0; left -= size {
		pipe := client.Pipeline()
		for range min(left, size) {
			event, user := shop.Append(nil)
			key := keys[crc32.ChecksumIEEE([]byte(user))%uint32(len(keys))]
			if f.Shape == List {
				pipe.Do(ctx, "RPUSH", key, event)
			} else {
				pipe.Do(ctx, "XADD", key, "*", "payload", event)
			}
		}
		select {
		case ready <- pipe:
		case <-ctx.Done():
			return
		}
	}
}

// pace waits until it is time for the next events.
func (f Fill) pace(ctx context.Context, start time.Time, pushed int) error {
	if f.Rate <= 0 {
		return nil
	}
	due := start.Add(time.Duration(float64(pushed) / float64(f.Rate) * float64(time.Second)))
	select {
	case <-time.After(time.Until(due)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
