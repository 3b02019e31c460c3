package demo

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/connectors/local"
)

const (
	shopUsers = 500
	shopTick  = 50 * time.Millisecond
	shopRate  = 200 // events a second, on average
	// shopTide is how long business takes from one quiet moment to the next.
	shopTide = 20 * time.Second
)

// Shop pushes the events of a pretend shop into a Redis list.
type Shop struct {
	client *redis.Client
	key    string
	shop   *local.Shop
	pushed atomic.Uint64
}

// NewShop makes a shop that writes to a list. It connects to nobody. Error: the
// URL is none.
func NewShop(url, key string, seed uint64) (*Shop, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL is not a Redis URL; write redis://[user:password@]host:port/db")
	}
	return &Shop{client: redis.NewClient(options), key: key, shop: local.NewShop(seed, shopUsers)}, nil
}

// Pushed counts the events that Redis has taken.
func (s *Shop) Pushed() uint64 { return s.pushed.Load() }

// Run pushes events until ctx ends, and closes the connection. While Redis is away
// it tries again.
func (s *Shop) Run(ctx context.Context) {
	defer s.client.Close() //nolint:errcheck // nothing depends on it
	ticker := time.NewTicker(shopTick)
	defer ticker.Stop()
	started := time.Now()
	var events []any
	for {
		select {
		case now := <-ticker.C:
			if len(events) == 0 { // else Redis has not taken the last ones
				events = s.events(visitors(now.Sub(started), rand.Float64()))
			}
		case <-ctx.Done():
			return
		}
		if len(events) > 0 && s.client.RPush(ctx, s.key, events...).Err() == nil {
			s.pushed.Add(uint64(len(events)))
			events = nil
		}
	}
}

// visitors gives how many events happen in a tick: business comes and goes like a
// tide, and chance decides about the rest.
func visitors(since time.Duration, chance float64) int {
	tide := 1 - .6*math.Cos(2*math.Pi*float64(since)/float64(shopTide))
	mean := shopRate * shopTick.Seconds() * tide
	return int(mean*(.5+chance) + .5)
}

func (s *Shop) events(n int) []any {
	events := make([]any, n)
	for i := range events {
		events[i], _ = s.shop.Append(nil)
	}
	return events
}
