package server

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-io/penstock/pipeline/engine"
)

// Pipeline is a pipeline as it is watched. Both functions may be called at any
// time, from several goroutines.
type Pipeline struct {
	Name     string
	Snapshot func() engine.Snapshot
	State    func() engine.State
}

// Metrics gives the figures of pipelines to Prometheus. The figures of one
// pipeline in one answer belong to one moment, so they reconcile:
//
//	penstock_records_read_total + penstock_records_split_total = sum of penstock_records_total over fate
type Metrics struct {
	pipelines []Pipeline
	now       func() time.Time
}

var _ prometheus.Collector = (*Metrics)(nil)

// NewMetrics makes a collector of pipelines that have different names. now tells
// the time, for the lag in seconds.
func NewMetrics(now func() time.Time, pipelines ...Pipeline) *Metrics {
	return &Metrics{pipelines: pipelines, now: now}
}

// figures are the metrics, as Prometheus describes them.
var figures = struct {
	read, split, records                    *prometheus.Desc
	batches, transactions                   *prometheus.Desc
	latency, batchSizes, transactionRecords *prometheus.Desc
	lagRecords, lagSeconds, state           *prometheus.Desc
}{
	read:               figure("records_read_total", "Records read and committed, whatever became of them."),
	split:              figure("records_split_total", "Records that transforms have made more than were read: of one record, several."),
	records:            figure("records_total", "Records by what became of them: written, filtered, duplicate, dropped or dead_lettered.", "fate"),
	batches:            figure("batches_total", "Batches committed."),
	transactions:       figure("transactions_total", "Transactions committed."),
	latency:            figure("latency_seconds", "From a record's time to its commit."),
	batchSizes:         figure("batch_records", "Records of a batch."),
	transactionRecords: figure("transaction_records", "Records of a transaction."),
	lagRecords:         figure("lag_records", "Records that wait in the source, as it said last: see penstock_lag_seconds. Missing where the source cannot tell.", "shard"),
	lagSeconds:         figure("lag_seconds", "Age of the newest committed record while others wait, 0 where none does. While nobody can ask the source (it does not answer, or the sink is away) it is at least the time since the last answer, so it grows.", "shard"),
	state:              figure("state", "1 for the state the pipeline is in: starting, standby, running, degraded, paused, failed or stopped.", "state"),
}

func figure(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("penstock_"+name, help, append([]string{"pipeline"}, labels...), nil)
}

// Describe names the metrics.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	f := figures
	for _, d := range []*prometheus.Desc{f.read, f.split, f.records, f.batches, f.transactions, f.latency, f.batchSizes,
		f.transactionRecords, f.lagRecords, f.lagSeconds, f.state} {
		out <- d
	}
}

// Collect gives the figures of now.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	for _, p := range m.pipelines {
		now, state := p.Snapshot(), p.State().Name
		collect(out, p.Name, now)
		for shard, s := range now.Shards {
			m.shard(out, p.Name, shard, s, state)
		}
		states(out, p.Name, state)
	}
}

func collect(out chan<- prometheus.Metric, name string, now engine.Snapshot) {
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{name}, labels...)...)
	}
	count(figures.read, now.Read)
	count(figures.split, now.Split)
	count(figures.records, now.Written, "written")
	count(figures.records, now.Filtered, "filtered")
	count(figures.records, now.Duplicates, "duplicate")
	count(figures.records, now.Dropped, "dropped")
	count(figures.records, now.DeadLettered, "dead_lettered")
	count(figures.batches, now.Batches)
	count(figures.transactions, now.Transactions)
	out <- histogram(figures.latency, now.Latency, name)
	out <- histogram(figures.batchSizes, now.BatchRecords, name)
	out <- histogram(figures.transactionRecords, now.TransactionRecords, name)
}

// histogram gives a histogram as Prometheus wants it: each bucket holds those
// below it too.
func histogram(d *prometheus.Desc, h engine.Histogram, name string) prometheus.Metric {
	buckets := make(map[float64]uint64, len(h.Bounds))
	var n uint64
	for i, bound := range h.Bounds {
		n += h.Counts[i]
		buckets[bound] = n
	}
	return prometheus.MustNewConstHistogram(d, n+h.Counts[len(h.Bounds)], h.Sum, buckets, name)
}

// unanswered is after how long the last answer of a source, which is asked every
// two seconds, says nothing of now.
const unanswered = 10 * time.Second

// shard gives how far a shard is behind. What waits is kept while nobody can ask
// the source: an alarm on it must not fall silent then. Of one that stands by nothing
// is given: the active instance tells it.
func (m *Metrics) shard(out chan<- prometheus.Metric, name, shard string, s engine.ShardStats, state engine.StateName) {
	if s.Lag < 0 || s.Measured.IsZero() || state == engine.Standby {
		return
	}
	if !utf8.ValidString(shard) { // a key of Redis is any bytes, a label is text
		shard = strconv.Quote(shard)
	}
	gauge := func(d *prometheus.Desc, v float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, name, shard)
	}
	gauge(figures.lagRecords, float64(s.Lag))
	now, unknown := m.now(), time.Duration(0)
	if silent := now.Sub(s.Measured); silent > unanswered && state != engine.Stopped {
		unknown = silent
	}
	switch {
	case s.Lag > 0 && !s.LastTime.IsZero():
		gauge(figures.lagSeconds, max(now.Sub(s.LastTime), unknown).Seconds())
	case s.Lag == 0 || unknown > 0:
		gauge(figures.lagSeconds, unknown.Seconds())
	}
}

// states gives a 1 for the state a pipeline is in, and a 0 for the others.
func states(out chan<- prometheus.Metric, name string, is engine.StateName) {
	for _, state := range []engine.StateName{engine.Starting, engine.Standby, engine.Running, engine.Degraded, engine.Paused, engine.Failed, engine.Stopped} {
		v := 0.0
		if state == is {
			v = 1
		}
		out <- prometheus.MustNewConstMetric(figures.state, prometheus.GaugeValue, v, name, string(state))
	}
}

// Describe says nothing: the pipelines of a set, and their figures, come and go.
func (s *Set) Describe(chan<- *prometheus.Desc) {}

// Collect gives the figures of all pipelines that run, to Prometheus.
func (s *Set) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	var all []Pipeline
	var more []prometheus.Collector
	for _, e := range s.byName {
		r := e.now()
		if r == nil || r.job == nil {
			continue
		}
		all = append(all, Pipeline{Name: e.name, Snapshot: r.job.Engine.Stats().Snapshot, State: r.job.Engine.State})
		more = append(more, r.job.Figures...)
	}
	s.mu.Unlock()
	NewMetrics(time.Now, all...).Collect(out)
	for _, c := range more {
		c.Collect(out)
	}
}
