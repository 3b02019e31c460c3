package measure

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func redisOf(t *testing.T, addr string) *redis.Client {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// events reads what a key holds, in order.
func events(t *testing.T, client *redis.Client, shape Shape, key string) []string {
	t.Helper()
	if shape == List {
		items, err := client.LRange(t.Context(), key, 0, -1).Result()
		if err != nil {
			t.Fatal(err)
		}
		return items
	}
	entries, err := client.XRange(t.Context(), key, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var payloads []string
	for _, entry := range entries {
		if len(entry.Values) != 1 {
			t.Fatalf("an entry has the fields %v; want payload alone", slices.Sorted(maps.Keys(entry.Values)))
		}
		payloads = append(payloads, entry.Values["payload"].(string))
	}
	return payloads
}

func TestFillPushesTheEventsInOrder(t *testing.T) {
	for _, shape := range []Shape{List, Stream} {
		t.Run(string(shape), func(t *testing.T) {
			client := redisOf(t, pipelinetest.Embedded(t).RedisAddr)
			pushed := 0
			fill := Fill{Shape: shape, Key: "k", Users: 7, Seed: 3, Events: 2345}
			if err := fill.Run(t.Context(), client, func(n int) { pushed = n }); err != nil {
				t.Fatal(err)
			}
			shop := local.NewShop(3, 7)
			var want []string
			for range 2345 {
				event, _ := shop.Append(nil)
				want = append(want, string(event))
			}
			if got := events(t, client, shape, "k"); !slices.Equal(got, want) {
				t.Errorf("got %d events, which are not the %d of the shop", len(got), len(want))
			}
			if pushed != 2345 {
				t.Errorf("the last progress was %d events; want 2345", pushed)
			}
		})
	}
}

func TestShardsKeepAUserTogether(t *testing.T) {
	client := redisOf(t, pipelinetest.Embedded(t).RedisAddr)
	fill := Fill{Shape: List, Key: "k", Shards: 8, Users: 100, Seed: 1, Events: 1000}
	if err := fill.Run(t.Context(), client, nil); err != nil {
		t.Fatal(err)
	}
	next := map[string]int{} // the sequence each user comes to
	home := map[string]string{}
	for _, key := range fill.Keys() {
		for _, text := range events(t, client, List, key) {
			var event struct {
				User string `json:"user_id"`
				Seq  int    `json:"seq"`
			}
			if err := json.Unmarshal([]byte(text), &event); err != nil {
				t.Fatal(err)
			}
			if other, seen := home[event.User]; seen && other != key {
				t.Fatalf("%s is in %s and in %s", event.User, other, key)
			}
			home[event.User] = key
			if next[event.User]++; event.Seq != next[event.User] {
				t.Fatalf("%s: event %d where %d should be", event.User, event.Seq, next[event.User])
			}
		}
	}
	used := slices.Compact(slices.Sorted(maps.Values(home)))
	if len(home) != 100 || !slices.Equal(used, fill.Keys()) {
		t.Errorf("%d users in the keys %v; want 100 in %v", len(home), used, fill.Keys())
	}
}

func TestFillKeepsTheRate(t *testing.T) {
	client := redisOf(t, pipelinetest.Embedded(t).RedisAddr)
	start := time.Now()
	fill := Fill{Shape: List, Key: "k", Users: 1, Events: 300, Rate: 1000}
	if err := fill.Run(t.Context(), client, nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 290*time.Millisecond {
		t.Errorf("300 events at 1000/s took %v", took)
	}
}

func TestFillErrors(t *testing.T) {
	client := redisOf(t, pipelinetest.Embedded(t).RedisAddr)
	if err := (Fill{Shape: "heap", Events: 1}).Run(t.Context(), client, nil); err == nil || !strings.Contains(err.Error(), "list and stream") {
		t.Errorf("an unknown shape: got %v; want the names of those there are", err)
	}
	if err := client.Set(t.Context(), "text", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := (Fill{Shape: List, Key: "text", Events: 5000}).Run(t.Context(), client, nil); err == nil || !strings.Contains(err.Error(), "push events into text") {
		t.Errorf("a key of another type: got %v; want the key's name", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (Fill{Shape: List, Key: "k", Events: 5000}).Run(ctx, client, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: got %v", err)
	}
}
