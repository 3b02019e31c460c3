package kafka

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// FuzzDecodePosition: what stands in the topic of positions is one that is the same when it
// is written again, or an error.
func FuzzDecodePosition(f *testing.F) {
	f.Add([]byte(`{"version":1,"incarnation":"A","position":"0-7","hash":"ab","added":7,"instance":"vm/1/A","time":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"version":2,"position":"0-7"}`))
	f.Add([]byte(`{"version":1,"position":"18446744073709551616-0"}`))
	f.Add([]byte(`{"version":1,"position":"-1-0"}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		p, err := decodePosition(value)
		if err != nil {
			return
		}
		again, err := decodePosition(positionRecord(pipeline.LaneID{Pipeline: "shop"}, 1, "list", p, time.Unix(0, 0)).Value)
		if err != nil || again != p {
			t.Errorf("%s: %+v, then %+v, %v", value, p, again, err)
		}
	})
}

// FuzzPositionKey: whatever a shard is called, its key gives it back, and is no claim.
func FuzzPositionKey(f *testing.F) {
	for _, shard := range []string{"list", "0/claim", "a/b", "%2F", "", "ü 7", "\xff"} {
		f.Add("shop", shard)
	}
	f.Fuzz(func(t *testing.T, name, shard string) {
		if strings.Contains(name, "/") {
			return // no pipeline is called so
		}
		key := positionKey(name, shard)
		if got, ok := shardOf(key, name); !ok || got != shard {
			t.Errorf("shard %q has the key %q, which gives %q, %v", shard, key, got, ok)
		}
		if lane, ok := laneOf(key, name); ok {
			t.Errorf("shard %q has the key of lane %d's claim", shard, lane)
		}
	})
}
