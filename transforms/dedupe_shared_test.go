package transforms

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// claims is a store in memory.
type claims struct {
	mu     sync.Mutex
	within int64
	held   map[string]held
	err    error
}

type held struct {
	place string
	time  int64
}

func newClaims() *claims {
	return &claims{within: (10 * time.Minute).Milliseconds(), held: map[string]held{}}
}

func (c *claims) Claim(_ context.Context, keys, places []string, times []int64) ([]bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := make([]bool, len(keys))
	for i, key := range keys {
		has, ok := c.held[key]
		taken[i] = ok && has.place != places[i] && max(has.time-times[i], times[i]-has.time) < c.within
		if !taken[i] && has.place != places[i] {
			c.held[key] = held{places[i], times[i]}
		}
	}
	return taken, c.err
}

func (c *claims) Release(_ context.Context, keys, places []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.held, func(key string, has held) bool {
		i := slices.Index(keys, key)
		return i >= 0 && places[i] == has.place
	})
	return c.err
}

func (c *claims) Close() error { return nil }

func (c *claims) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}

func shared(t *testing.T, store Claims) *SharedDedupe {
	t.Helper()
	d, err := NewSharedDedupe(DedupeSettings{Key: "key"}, func() time.Time { return noon }, store, func(shard, life string) string { return shard + life })
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func fates(t *testing.T, d *SharedDedupe, b *pipeline.Batch, want string) {
	t.Helper()
	apply(t, d, b)
	got := ""
	for _, r := range b.Records {
		got += map[pipeline.Fate]string{pipeline.Deliver: "d", pipeline.Duplicate: "D", pipeline.Failed: "F"}[r.Fate]
	}
	if got != want {
		t.Errorf("shard %s: got %s, want %s", b.Shard, got, want)
	}
}

func seen(keys string) []sighting {
	var all []sighting
	for key := range strings.SplitSeq(keys, "") {
		all = append(all, sighting{key: key})
	}
	return all
}

// TestSharedDedupe: another instance sees the keys, also after a restart; a record that
// comes again, after a failure or in a later life of the process, is no duplicate.
func TestSharedDedupe(t *testing.T) {
	store := newClaims()
	one := shared(t, store)
	fates(t, one, batchOf("a", 1, seen("xyxz")...), "ddDd")
	fates(t, shared(t, store), batchOf("b", 1, seen("xw")...), "Dd")
	one.GivenUp("a")
	fates(t, one, batchOf("a", 1, seen("xyxz")...), "ddDd")
	fates(t, shared(t, store), batchOf("a", 1, seen("xyxzv")...), "ddDdd")
	other := batchOf("a", 1, seen("x")...)
	other.After.Incarnation = "another"
	fates(t, one, other, "D")
	fates(t, one, batchOf("a", 1, sighting{"x", 0}, sighting{"x", 11 * time.Minute}), "dd") // far apart
	none := &pipeline.Batch{Shard: "a"}
	none.Add()
	fates(t, one, none, "F")
	if got := none.Records[0].Failure.Err.Error(); !strings.HasPrefix(got, "the key of dedupe is empty") {
		t.Errorf("got %s", got)
	}
}

// TestSharedDedupeReleases: the key of a record that was refused is free with the next
// batch; those of the others, and of batches that are under way, are not.
func TestSharedDedupeReleases(t *testing.T) {
	store := newClaims()
	d := shared(t, store)
	first, second := batchOf("a", 1, seen("xyz")...), batchOf("a", 4, seen("vw")...)
	fates(t, d, first, "ddd")
	fates(t, d, second, "dd")
	first.Records[1].Fate = pipeline.DeadLettered
	d.Settled(first)
	store.err = errors.New("away")
	third := batchOf("a", 6, seen("y")...)
	if err := d.Apply(t.Context(), third); err == nil {
		t.Fatal("nobody said that the store is away")
	}
	store.err = nil
	store.Claim(t.Context(), []string{sumOf([]byte("y"))}, []string{"somebody else"}, []int64{noon.UnixMilli()}) //nolint:errcheck // it is in memory
	fates(t, d, third, "D")                                                                                      // it was free, and is not taken from who has it now
	second.Records[0].Fate, second.Records[0].Failure = pipeline.Dropped, &pipeline.Failure{Err: errors.New("no")}
	d.Settled(second)
	d.Settled(third)
	fates(t, d, batchOf("a", 7, seen("xvwyz")...), "DdDDD")
	d.GivenUp("a")
	if n := store.size(); n != 5 {
		t.Errorf("%d keys are held", n)
	}
	last := batchOf("a", 12, seen("q")...)
	fates(t, d, last, "d")
	last.Records[0].Fate = pipeline.DeadLettered
	d.Settled(last)
	if err := d.Close(); err != nil || store.size() != 5 {
		t.Errorf("%d keys are held after Close, %v", store.size(), err)
	}
}
