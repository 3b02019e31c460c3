package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/pipeline/server"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func watched(s engine.Snapshot, state engine.StateName) server.Pipeline {
	for _, h := range []*engine.Histogram{&s.Latency, &s.BatchRecords, &s.TransactionRecords} {
		if h.Counts == nil {
			*h = engine.Histogram{Bounds: []float64{1}, Counts: make([]uint64, 2)}
		}
	}
	return server.Pipeline{Name: "shop", Snapshot: func() engine.Snapshot { return s },
		State: func() engine.State { return engine.State{Name: state} }}
}

func compare(t *testing.T, p server.Pipeline, want string, names ...string) {
	t.Helper()
	m := server.NewMetrics(func() time.Time { return noon }, p)
	if err := testutil.CollectAndCompare(m, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestCountsReconcile(t *testing.T) {
	counts := engine.Counts{Read: 21, Split: 10, Written: 16, Filtered: 8, Duplicates: 4, Dropped: 2, DeadLettered: 1, Batches: 5, Transactions: 3}
	compare(t, watched(engine.Snapshot{Counts: counts}, engine.Running), `
# HELP penstock_batches_total Batches committed.
# TYPE penstock_batches_total counter
penstock_batches_total{pipeline="shop"} 5
# HELP penstock_records_read_total Records read and committed, whatever became of them.
# TYPE penstock_records_read_total counter
penstock_records_read_total{pipeline="shop"} 21
# HELP penstock_records_split_total Records that transforms have made more than were read: of one record, several.
# TYPE penstock_records_split_total counter
penstock_records_split_total{pipeline="shop"} 10
# HELP penstock_records_total Records by what became of them: written, filtered, duplicate, dropped or dead_lettered.
# TYPE penstock_records_total counter
penstock_records_total{fate="dead_lettered",pipeline="shop"} 1
penstock_records_total{fate="dropped",pipeline="shop"} 2
penstock_records_total{fate="duplicate",pipeline="shop"} 4
penstock_records_total{fate="filtered",pipeline="shop"} 8
penstock_records_total{fate="written",pipeline="shop"} 16
# HELP penstock_transactions_total Transactions committed.
# TYPE penstock_transactions_total counter
penstock_transactions_total{pipeline="shop"} 3
`, "penstock_records_read_total", "penstock_records_split_total", "penstock_records_total", "penstock_batches_total", "penstock_transactions_total")
}

func TestHistogramsAreCumulative(t *testing.T) {
	latency := engine.Histogram{Bounds: []float64{.001, .01, .1}, Counts: []uint64{1, 2, 4, 8}, Sum: 3.5}
	compare(t, watched(engine.Snapshot{Latency: latency}, engine.Running), `
# HELP penstock_latency_seconds From a record's time to its commit.
# TYPE penstock_latency_seconds histogram
penstock_latency_seconds_bucket{pipeline="shop",le="0.001"} 1
penstock_latency_seconds_bucket{pipeline="shop",le="0.01"} 3
penstock_latency_seconds_bucket{pipeline="shop",le="0.1"} 7
penstock_latency_seconds_bucket{pipeline="shop",le="+Inf"} 15
penstock_latency_seconds_sum{pipeline="shop"} 3.5
penstock_latency_seconds_count{pipeline="shop"} 15
`, "penstock_latency_seconds")
}

func TestLag(t *testing.T) {
	shards := map[string]engine.ShardStats{
		"behind":      {Lag: 7, LastTime: noon.Add(-90 * time.Second), Measured: noon},
		"ahead":       {Lag: 7, LastTime: noon.Add(time.Second), Measured: noon}, // clocks differ
		"caught up":   {Lag: 0, LastTime: noon.Add(-time.Hour), Measured: noon.Add(-10 * time.Second)},
		"not begun":   {Lag: 3, Measured: noon},
		"not asked":   {LastTime: noon.Add(-time.Hour)},
		"cannot tell": {Lag: -1, LastTime: noon, Measured: noon.Add(-time.Hour)},
	}
	compare(t, watched(engine.Snapshot{Shards: shards}, engine.Running), `
# HELP penstock_lag_records Records that wait in the source, as it said last: see penstock_lag_seconds. Missing where the source cannot tell.
# TYPE penstock_lag_records gauge
penstock_lag_records{pipeline="shop",shard="ahead"} 7
penstock_lag_records{pipeline="shop",shard="behind"} 7
penstock_lag_records{pipeline="shop",shard="caught up"} 0
penstock_lag_records{pipeline="shop",shard="not begun"} 3
# HELP penstock_lag_seconds Age of the newest committed record while others wait, 0 where none does. While nobody can ask the source (it does not answer, or the sink is away) it is at least the time since the last answer, so it grows.
# TYPE penstock_lag_seconds gauge
penstock_lag_seconds{pipeline="shop",shard="ahead"} 0
penstock_lag_seconds{pipeline="shop",shard="behind"} 90
penstock_lag_seconds{pipeline="shop",shard="caught up"} 0
`, "penstock_lag_records", "penstock_lag_seconds")
}

// TestLagWhileTheSourceIsAway: what waited last is kept, and the seconds grow; not
// after a stop that was asked for. Of what stands by there is nothing.
func TestLagWhileTheSourceIsAway(t *testing.T) {
	asked := noon.Add(-time.Minute)
	shards := map[string]engine.ShardStats{
		"behind":    {Lag: 7, LastTime: noon.Add(-90 * time.Second), Measured: asked},
		"caught up": {Lag: 0, LastTime: noon.Add(-time.Hour), Measured: asked},
		"not begun": {Lag: 3, Measured: asked},
	}
	for state, want := range map[engine.StateName]string{
		engine.Degraded: `
penstock_lag_seconds{pipeline="shop",shard="behind"} 90
penstock_lag_seconds{pipeline="shop",shard="caught up"} 60
penstock_lag_seconds{pipeline="shop",shard="not begun"} 60
`,
		engine.Stopped: `
penstock_lag_seconds{pipeline="shop",shard="behind"} 90
penstock_lag_seconds{pipeline="shop",shard="caught up"} 0
`,
	} {
		compare(t, watched(engine.Snapshot{Shards: shards}, state), `
# HELP penstock_lag_records Records that wait in the source, as it said last: see penstock_lag_seconds. Missing where the source cannot tell.
# TYPE penstock_lag_records gauge
penstock_lag_records{pipeline="shop",shard="behind"} 7
penstock_lag_records{pipeline="shop",shard="caught up"} 0
penstock_lag_records{pipeline="shop",shard="not begun"} 3
# HELP penstock_lag_seconds Age of the newest committed record while others wait, 0 where none does. While nobody can ask the source (it does not answer, or the sink is away) it is at least the time since the last answer, so it grows.
# TYPE penstock_lag_seconds gauge`+want, "penstock_lag_records", "penstock_lag_seconds")
	}
}

func TestLagOfStandby(t *testing.T) {
	shards := map[string]engine.ShardStats{"behind": {Lag: 7, LastTime: noon.Add(-90 * time.Second), Measured: noon.Add(-time.Minute)}}
	compare(t, watched(engine.Snapshot{Shards: shards}, engine.Standby), "", "penstock_lag_records", "penstock_lag_seconds")
}

func TestState(t *testing.T) {
	compare(t, watched(engine.Snapshot{}, engine.Degraded), `
# HELP penstock_state 1 for the state the pipeline is in: starting, standby, running, degraded, paused, failed or stopped.
# TYPE penstock_state gauge
penstock_state{pipeline="shop",state="degraded"} 1
penstock_state{pipeline="shop",state="failed"} 0
penstock_state{pipeline="shop",state="paused"} 0
penstock_state{pipeline="shop",state="running"} 0
penstock_state{pipeline="shop",state="standby"} 0
penstock_state{pipeline="shop",state="starting"} 0
penstock_state{pipeline="shop",state="stopped"} 0
`, "penstock_state")
}

// TestRegistryTakesThem: names, labels and descriptions follow Prometheus's rules.
func TestRegistryTakesThem(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	p := watched(engine.Snapshot{Shards: map[string]engine.ShardStats{"user_behavior\xff": {Lag: 1, Measured: noon}}}, engine.Running)
	if err := registry.Register(server.NewMetrics(time.Now, p)); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Gather(); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Error(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}
