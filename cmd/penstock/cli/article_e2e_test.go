//go:build e2e && unix

package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// eventsEnv names the variable with the number of events of the article's job,
// in place of 300,000.
const eventsEnv = "PENSTOCK_E2E_EVENTS"

// TestConfigs runs the pipelines of configs/ as they are, on servers of their
// own, and lets Kafka's own consumer tell what arrived.
func TestConfigs(t *testing.T) {
	t.Parallel()
	events := 300_000
	if text := os.Getenv(eventsEnv); text != "" {
		var err error
		events, err = strconv.Atoi(text)
		must(t, err)
	}
	r, k := redisOf(t, pipelinetest.RedisOptions{}), kafkaOf(t)
	config := func(t *testing.T, file, source string, keys ...string) *job {
		j := newJob(t, source)
		j.redis, j.kafka, j.keys = r.Addr(), k.Addr(), keys
		j.path = filepath.Join("..", "..", "..", "configs", file)
		j.env = []string{"REDIS_URL=" + r.URL(), "KAFKA_BROKERS=" + k.Addr()}
		return j
	}
	shards := make([]string, 8)
	for i := range shards {
		shards[i] = fmt.Sprintf("user_behavior:%d", i)
	}
	t.Run("list", func(t *testing.T) {
		j := config(t, "user-behavior.yaml", "redis_list", "user_behavior")
		j.whole(events, "user_behavior_topic")
	})
	t.Run("stream", func(t *testing.T) {
		j := config(t, "user-behavior-stream.yaml", "redis_stream", "user_behavior_stream")
		j.whole(events, "user_behavior_stream_topic")
	})
	t.Run("sharded", func(t *testing.T) {
		j := config(t, "user-behavior-sharded.yaml", "redis_list", shards...)
		j.whole(events, "user_behavior_sharded_topic")
	})
	t.Run("nightly", func(t *testing.T) {
		j := config(t, "user-behavior-nightly.yaml", "redis_list", "user_behavior_nightly")
		j.nightly(20_000, "user_behavior_nightly_topic")
	})
}

// whole moves events with the file as it is, and wants each of them once, in
// order for its user, and keyed by that.
func (j *job) whole(events int, topic string) {
	j.tb.Helper()
	shop := local.NewShop(1, 1000)
	push := j.push(shop, events, 0)
	push.Chunk = 1000
	push.Do(j.tb)
	started := time.Now()
	j.drain()
	j.tb.Logf("%d events in %v", events, time.Since(started).Round(10*time.Millisecond))
	j.emptied(soon)
	report, err := pipelinetest.CheckByConsole(j.tb.Context(), j.kafka, topic, shop.Counts(), 10*time.Second)
	must(j.tb, err)
	if !report.OK() || report.Records != events {
		j.tb.Error(report)
	} else {
		j.tb.Log(report)
	}
}

// nightly pushes every event twice, and wants what the file's transforms make of
// them.
func (j *job) nightly(events int, topic string) {
	j.tb.Helper()
	client, shop := j.client(), newShop()
	var want []map[string]any
	pipe := client.Pipeline()
	for range events {
		event, _ := shop.Append(nil)
		pipe.RPush(j.tb.Context(), j.keys[0], event, event)
		var e map[string]any
		must(j.tb, json.Unmarshal(event, &e))
		if e["action"] != "cart" && e["action"] != "buy" {
			continue
		}
		if e["action"] == "buy" {
			e["total"] = e["price"].(float64) * e["quantity"].(float64)
		}
		delete(e, "ua")
		want = append(want, e)
	}
	_, err := pipe.Exec(j.tb.Context())
	must(j.tb, err)
	j.drain()
	got := map[any]map[string]any{}
	last := map[any]float64{}
	for _, r := range j.arrived(topic, len(want)) {
		var e map[string]any
		must(j.tb, json.Unmarshal(r.Value, &e))
		if got[e["event_id"]] != nil {
			j.tb.Errorf("%v came twice", e["event_id"])
		}
		if e["seq"].(float64) < last[e["user_id"]] || string(r.Key) != e["user_id"] {
			j.tb.Errorf("%v is out of order, or has another key", e["event_id"])
		}
		got[e["event_id"]], last[e["user_id"]] = e, e["seq"].(float64)
	}
	for _, e := range want {
		if !maps.Equal(got[e["event_id"]], e) {
			j.tb.Fatalf("%v became\n%v, want\n%v", e["event_id"], got[e["event_id"]], e)
		}
	}
}
