package engine

import (
	"maps"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// Counts are what became of records. They are counted when they are committed,
// all at once: Read + Split = Written + Filtered + Duplicates + Dropped + DeadLettered
// at any moment.
type Counts struct {
	Read, Written, Filtered, Duplicates, Dropped, DeadLettered uint64
	// Split is how many there are more since transforms have made several of one.
	Split                 uint64
	Batches, Transactions uint64
}

// ShardStats is how far a shard is.
type ShardStats struct {
	Committed pipeline.Position
	// LastTime is the time of the newest committed record.
	LastTime time.Time
	// Lag counts the records that wait in the source, -1: it cannot tell. It is
	// the last answer of the source, given at Measured; zero: none yet.
	Lag      int64
	Measured time.Time
}

// Histogram counts observations by upper bound. Counts has one more entry, for
// what is above the last bound.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64
}

func newHistogram(bounds ...float64) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
}

func (h *Histogram) observe(v float64) {
	i := 0
	for i < len(h.Bounds) && v > h.Bounds[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += v
}

func (h Histogram) clone() Histogram {
	h.Counts = append([]uint64(nil), h.Counts...)
	return h
}

// Snapshot is the figures of one moment, consistent with each other.
type Snapshot struct {
	Counts
	Shards map[string]ShardStats
	// Latency is from a record's time to its commit, in seconds.
	Latency Histogram
	// BatchRecords and TransactionRecords are sizes in records.
	BatchRecords       Histogram
	TransactionRecords Histogram
}

// Stats holds the figures of a pipeline. Safe for concurrent use.
type Stats struct {
	mu  sync.Mutex
	now Snapshot
}

func newStats() *Stats {
	sizes := []float64{1, 10, 100, 1000, 10_000, 100_000}
	return &Stats{now: Snapshot{
		Shards:       map[string]ShardStats{},
		Latency:      newHistogram(.001, .002, .004, .008, .016, .032, .064, .128, .256, .512, 1, 4, 16, 64, 256, 1024),
		BatchRecords: newHistogram(sizes...), TransactionRecords: newHistogram(sizes...),
	}}
}

// Snapshot gives a copy of the figures.
func (s *Stats) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.now
	out.Shards = maps.Clone(s.now.Shards)
	out.Latency, out.BatchRecords, out.TransactionRecords = out.Latency.clone(), out.BatchRecords.clone(), out.TransactionRecords.clone()
	return out
}

// Progress is what Snapshot gives without its histograms, and the mean latency, in seconds:
// it costs less where there are many pipelines.
func (s *Stats) Progress() (n Counts, shards map[string]ShardStats, latency float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	observed := uint64(0)
	for _, count := range s.now.Latency.Counts {
		observed += count
	}
	if observed > 0 {
		latency = s.now.Latency.Sum / float64(observed)
	}
	return s.now.Counts, maps.Clone(s.now.Shards), latency
}

// committed counts a transaction.
func (s *Stats) committed(tx *transaction) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Transactions++
	s.now.TransactionRecords.observe(float64(tx.records))
	for _, c := range tx.batches {
		s.batch(c.batch, now)
	}
	for name, p := range tx.positions {
		shard := s.now.Shards[name]
		shard.Committed = p
		s.now.Shards[name] = shard
	}
}

func (s *Stats) batch(b *pipeline.Batch, now time.Time) {
	s.now.Batches++
	s.now.BatchRecords.observe(float64(len(b.Records)))
	s.now.Read += uint64(b.Read)
	for i := range b.Records {
		r := &b.Records[i]
		if r.Part > 1 {
			s.now.Split++
		}
		switch r.Fate {
		case pipeline.Deliver:
			s.now.Written++
			if !r.Time.IsZero() {
				s.now.Latency.observe(now.Sub(r.Time).Seconds())
			}
		case pipeline.Filtered:
			s.now.Filtered++
		case pipeline.Duplicate:
			s.now.Duplicates++
		case pipeline.Dropped, pipeline.Failed:
			s.now.Dropped++
		case pipeline.DeadLettered, pipeline.SetAside:
			s.now.DeadLettered++
		}
	}
	if n := len(b.Records); n > 0 {
		shard := s.now.Shards[b.Shard]
		shard.LastTime = b.Records[n-1].Time
		s.now.Shards[b.Shard] = shard
	}
}

// lag keeps how much waits in a shard.
func (s *Stats) lag(name string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shard := s.now.Shards[name]
	shard.Lag, shard.Measured = n, time.Now()
	s.now.Shards[name] = shard
}
