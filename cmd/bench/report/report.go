// Package report holds what the benchmark found, judges it against the targets,
// and shows it: as a table, as JSON and as an SVG chart.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// Report is one run of the benchmark. What was not measured is empty.
type Report struct {
	Header  Header    `json:"header"`
	Rows    []Row     `json:"rows"`
	Latency []Latency `json:"latency"`
	Memory  []Memory  `json:"memory"`
	Startup *Startup  `json:"startup,omitempty"`
	Idle    *Idle     `json:"idle,omitempty"`
	Server  *Server   `json:"server,omitempty"`
	PubSubs []PubSub  `json:"pubsubs,omitempty"`
	Formats []Format  `json:"formats,omitempty"`
	Chains  []Chain   `json:"chains,omitempty"`
	Plugins []Plugin  `json:"plugins,omitempty"`
	Targets []Target  `json:"targets"` // filled by Judge
}

// Server is a server of idle pipelines.
type Server struct {
	Pipelines int     `json:"pipelines"`
	Seconds   float64 `json:"seconds"`   // from exec until all of them run
	Bytes     float64 `json:"bytes"`     // of memory that each takes: beyond those of a server of none
	Percent   float64 `json:"percent"`   // of one core, while nothing comes
	Disturbed int     `json:"disturbed"` // how many were begun anew when one other was changed
	Page      float64 `json:"page"`      // percent of one core that an open page takes more
	ListP99   float64 `json:"list_p99"`  // of the API, in milliseconds: what all pipelines do
	OneP99    float64 `json:"one_p99"`   // what one does
}

// Format is what a format takes of the CPU for one record, in nanoseconds: to read it, and
// to write it once it was read as JSON.
type Format struct {
	Name  string  `json:"name"`
	Bytes int     `json:"bytes"` // of the record
	Read  float64 `json:"read_ns"`
	Write float64 `json:"write_ns"` // 0 where it only reads
	// ReadOnly: it writes nothing.
	ReadOnly bool `json:"read_only,omitempty"`
}

// Chain is what stages take of the CPU for one record, above no stages.
type Chain struct {
	Name        string  `json:"name"`
	Nanoseconds float64 `json:"ns"`
}

// Plugin is what calls of a plugin that does nothing take, in nanoseconds.
type Plugin struct {
	Language string  `json:"language"`
	CPU      float64 `json:"cpu_ns"` // for a record of batches of 1,000, on both sides
	One      float64 `json:"one_ns"` // from call to answer for a batch of one, median
}

// Header says where, when and with what the figures were made.
type Header struct {
	Time        time.Time `json:"time"`
	CPU         string    `json:"cpu"`
	Cores       int       `json:"cores"`
	MemoryBytes int64     `json:"memory_bytes"`
	Kernel      string    `json:"kernel"`
	Go          string    `json:"go"`
	Redis       string    `json:"redis"`
	Kafka       string    `json:"kafka"`
	Penstock    string    `json:"penstock"`
	Runs        int       `json:"runs"`
	Seconds     float64   `json:"seconds"` // what a run was sized to take
	Users       int       `json:"users"`
	EventBytes  int       `json:"event_bytes"` // mean
	Partitions  int       `json:"partitions"`
	Compression string    `json:"compression"` // of all movers that use franz-go
}

// Row is one way to move events, run several times.
type Row struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	From  string `json:"from"` // list or stream
	// Promise is what the mover promises when it is killed.
	Promise string `json:"promise"`
	Runs    []Run  `json:"runs"`
}

// Run is one run of a mover over events that wait in Redis.
type Run struct {
	Events int `json:"events"`
	// Seconds is the time from the first record in Kafka's log to the last one
	// that a read_committed consumer can read.
	Seconds float64 `json:"seconds"`
	// WholeSeconds is the time from exec to exit.
	WholeSeconds float64 `json:"whole_seconds"`
	CPUSeconds   float64 `json:"cpu_seconds"` // of the mover's process alone
	PeakRSS      int64   `json:"peak_rss_bytes"`
	MeanRSS      int64   `json:"mean_rss_bytes"`
	Verdict      Verdict `json:"verdict"`
}

// Verdict is what the checker found on the topic.
type Verdict struct {
	Lost       int `json:"lost"`
	Doubled    int `json:"doubled"`
	Disordered int `json:"disordered"`
	Corrupt    int `json:"corrupt"`
	Foreign    int `json:"foreign"` // events that nobody pushed
}

// Clean is true where each event arrived once, whole, and in order.
func (v Verdict) Clean() bool { return v == Verdict{} }

// String gives the numbers: lost/doubled/disordered/corrupt, and foreign where
// there are some.
func (v Verdict) String() string {
	s := fmt.Sprintf("%d/%d/%d/%d", v.Lost, v.Doubled, v.Disordered, v.Corrupt)
	if v.Foreign > 0 {
		s += fmt.Sprintf(" and %d foreign", v.Foreign)
	}
	return s
}

// Latency is the time from XADD or RPUSH to a read_committed consumer: medians
// of the quantiles of several runs, and the maximum of all.
type Latency struct {
	From string  `json:"from"`
	Rate int     `json:"rate"` // events a second
	Runs int     `json:"runs"`
	N    int     `json:"n"` // events counted, of all runs
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	Max  float64 `json:"max_ms"`
}

// Memory is the resident memory of Penstock in one situation.
type Memory struct {
	From      string  `json:"from"`
	Situation string  `json:"situation"`
	PeakRSS   int64   `json:"peak_rss_bytes"`
	MeanRSS   int64   `json:"mean_rss_bytes"`
	Verdict   Verdict `json:"verdict"`
}

// Startup is the time from exec to the first XREAD that Redis saw, with the
// topics there.
type Startup struct {
	Starts int     `json:"starts"`
	P50    float64 `json:"p50_ms"`
	Max    float64 `json:"max_ms"`
}

// Idle is what a running pipeline with nothing to do takes of one core.
type Idle struct {
	Seconds float64 `json:"seconds"`
	Percent float64 `json:"percent_of_a_core"`
}

// PubSub is the rates of Penstock's Watermill Pub/Sub of a system and of the stock
// one, run in turns, in messages a second.
type PubSub struct {
	System   string    `json:"system"` // Redis or Kafka
	What     string    `json:"what"`
	Penstock []float64 `json:"penstock"`
	Stock    []float64 `json:"stock"`
}

// Ratio is the median over the runs of Penstock's rate by that of the stock one just
// after it; 0: no runs.
func (p PubSub) Ratio() float64 {
	ratios := make([]float64, min(len(p.Penstock), len(p.Stock)))
	for i := range ratios {
		ratios[i] = p.Penstock[i] / p.Stock[i]
	}
	return Quantile(ratios, 0.5)
}

// Rate is the median of the runs, in records a second; 0: no runs.
func (r Row) Rate() float64 {
	return r.median(func(run Run) float64 { return float64(run.Events) / run.Seconds })
}

// CPU is the median of the runs, in seconds a million records.
func (r Row) CPU() float64 {
	return r.median(func(run Run) float64 { return run.CPUSeconds / float64(run.Events) * 1e6 })
}

// PeakRSS is the largest of the runs, in bytes.
func (r Row) PeakRSS() int64 {
	var peak int64
	for _, run := range r.Runs {
		peak = max(peak, run.PeakRSS)
	}
	return peak
}

// Spread is how far apart the fastest and the slowest run are, as a share of the
// median.
func (r Row) Spread() float64 {
	if len(r.Runs) == 0 {
		return 0
	}
	slowest, fastest := r.Rate(), r.Rate()
	for _, run := range r.Runs {
		rate := float64(run.Events) / run.Seconds
		slowest, fastest = min(slowest, rate), max(fastest, rate)
	}
	return (fastest - slowest) / r.Rate()
}

// Verdict is the sum over the runs.
func (r Row) Verdict() Verdict {
	var sum Verdict
	for _, run := range r.Runs {
		sum.Lost += run.Verdict.Lost
		sum.Doubled += run.Verdict.Doubled
		sum.Disordered += run.Verdict.Disordered
		sum.Corrupt += run.Verdict.Corrupt
		sum.Foreign += run.Verdict.Foreign
	}
	return sum
}

func (r Row) median(of func(Run) float64) float64 {
	values := make([]float64, len(r.Runs))
	for i, run := range r.Runs {
		values[i] = of(run)
	}
	return Quantile(values, 0.5)
}

// Quantile is the value below which the share q of the values lies (q from 0 to
// 1), halfway between the two in the middle where there is no middle one. It
// sorts the values; 0 where there are none.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	at := q * float64(len(values)-1)
	below := int(at)
	above := min(below+1, len(values)-1)
	return values[below] + (values[above]-values[below])*(at-float64(below))
}

// row returns the row of that name, nil where it was not measured.
func (r *Report) row(name string) *Row {
	for i := range r.Rows {
		if r.Rows[i].Name == name && len(r.Rows[i].Runs) > 0 {
			return &r.Rows[i]
		}
	}
	return nil
}

// WriteJSON writes the report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
