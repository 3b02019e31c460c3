package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	var out bytes.Buffer
	r.writeHeader(&out)
	r.writeRows(&out, "stream", "stream-step")
	r.writeRows(&out, "list", "list-step")
	r.writeOthers(&out)
	r.writePubSubs(&out)
	r.writeFormats(&out)
	r.writePlugins(&out)
	r.writeTargets(&out)
	_, err := w.Write(out.Bytes())
	return err
}

func (r *Report) writeHeader(out *bytes.Buffer) {
	h := r.Header
	fmt.Fprintf(out, "%s  %s, %d cores, %d GiB, %s\n", h.Time.UTC().Format(time.RFC3339), h.CPU, h.Cores,
		h.MemoryBytes>>30, h.Kernel)
	fmt.Fprintf(out, "Redis %s, Kafka %s, %s, Penstock %s\n", h.Redis, h.Kafka, h.Go, h.Penstock)
	fmt.Fprintf(out, "events of %d bytes from %d users, 1 shard, %d partitions, compression %s; medians of %d runs of about %.0f s\n",
		h.EventBytes, h.Users, h.Partitions, h.Compression, h.Runs, h.Seconds)
}

// writeRows writes the throughput table of one kind of source.
func (r *Report) writeRows(out *bytes.Buffer, from, base string) {
	var table bytes.Buffer
	headed := false
	for _, row := range r.Rows {
		if row.From != from || len(row.Runs) == 0 {
			continue
		}
		if !headed {
			fmt.Fprintf(&table, "\n%s → Kafka\trecords/s\tspread\tby hand = 1\tCPU s per million\tpeak memory\tpromise\tlost/doubled/disordered/corrupt\n", from)
			headed = true
		}
		fmt.Fprintf(&table, "%s\t%s\t%.0f %%\t%s\t%.2f\t%s\t%s\t%s\n", row.Title, thousands(row.Rate()), 100*row.Spread(),
			r.ratio(row, base), row.CPU(), mebibytes(row.PeakRSS()), row.Promise, row.Verdict())
	}
	align(out, table.Bytes())
}

func (r *Report) ratio(row Row, base string) string {
	other := r.row(base)
	if other == nil {
		return "-"
	}
	return fmt.Sprintf("%.3g", row.Rate()/other.Rate())
}

// writeOthers writes what is measured of Penstock alone.
func (r *Report) writeOthers(out *bytes.Buffer) {
	if len(r.Latency)+len(r.Memory) == 0 && r.Startup == nil && r.Idle == nil && r.Server == nil {
		return
	}
	fmt.Fprintln(out, "\nPenstock")
	for _, l := range r.Latency {
		fmt.Fprintf(out, "  latency, %s at %d/s to a read_committed consumer: p50 %.1f ms, p99 %.1f ms, max %.0f ms (%d events in %d runs)\n",
			l.From, l.Rate, l.P50, l.P99, l.Max, l.N, l.Runs)
	}
	for _, m := range r.Memory {
		fmt.Fprintf(out, "  memory, %s, %s: peak %s, mean %s (%s)\n", m.From, m.Situation,
			mebibytes(m.PeakRSS), mebibytes(m.MeanRSS), m.Verdict)
	}
	if s := r.Startup; s != nil {
		fmt.Fprintf(out, "  exec to the first XREAD: median %.0f ms, max %.0f ms (%d starts)\n", s.P50, s.Max, s.Starts)
	}
	if s := r.Server; s != nil {
		fmt.Fprintf(out, "  server of %d idle pipelines: started in %.1f s, %.0f KB each, %.1f %% of a core; the change of one disturbs %d others\n    an open page %.1f %% of a core more; API p99 %.1f ms for all pipelines, %.1f ms for one\n", s.Pipelines, s.Seconds, s.Bytes/1000, s.Percent, s.Disturbed, s.Page, s.ListP99, s.OneP99)
	}
	if i := r.Idle; i != nil {
		fmt.Fprintf(out, "  idle pipeline: %.1f %% of a core over %.0f s\n", i.Percent, i.Seconds)
	}
}

// writePubSubs writes the table of Watermill's Pub/Subs.
func (r *Report) writePubSubs(out *bytes.Buffer) {
	if len(r.PubSubs) == 0 {
		return
	}
	var table bytes.Buffer
	fmt.Fprintln(&table, "\nWatermill Pub/Sub\tPenstock, messages/s\tstock\tratio")
	for _, p := range r.PubSubs {
		fmt.Fprintf(&table, "%s: %s\t%s\t%s\t%.3g\n", p.System, p.What,
			thousands(Quantile(slices.Clone(p.Penstock), 0.5)), thousands(Quantile(slices.Clone(p.Stock), 0.5)), p.Ratio())
	}
	align(out, table.Bytes())
}

// writeFormats writes what formats take.
func (r *Report) writeFormats(out *bytes.Buffer) {
	if len(r.Formats)+len(r.Chains) == 0 {
		return
	}
	var table bytes.Buffer
	fmt.Fprintln(&table, "\nformat\tbytes\tread, µs CPU\twrite, µs CPU\t")
	for _, f := range r.Formats {
		write := fmt.Sprintf("%.2f", f.Write/1000)
		if f.ReadOnly {
			write = "–"
		}
		fmt.Fprintf(&table, "%s\t%d\t%.2f\t%s\t\n", f.Name, f.Bytes, f.Read/1000, write)
	}
	for _, c := range r.Chains {
		fmt.Fprintf(&table, "%s\t\t\t%.2f\t\n", c.Name, c.Nanoseconds/1000)
	}
	align(out, table.Bytes())
}

// writePlugins writes what calls of plugins take.
func (r *Report) writePlugins(out *bytes.Buffer) {
	if len(r.Plugins) == 0 {
		return
	}
	var table bytes.Buffer
	fmt.Fprintln(&table, "\nplugin that does nothing\tboth sides, µs CPU a record\ta batch of one, µs\t")
	for _, p := range r.Plugins {
		fmt.Fprintf(&table, "%s\t%.2f\t%.0f\t\n", p.Language, p.CPU/1000, p.One/1000)
	}
	align(out, table.Bytes())
}

func (r *Report) writeTargets(out *bytes.Buffer) {
	var table bytes.Buffer
	fmt.Fprintln(&table, "\ntarget\twanted\tfound\t")
	for _, t := range r.Targets {
		fmt.Fprintf(&table, "%s\t%s\t%s\t%s\n", t.Name, t.Want, t.Got, t.outcome())
	}
	align(out, table.Bytes())
}

func (t Target) outcome() string {
	switch {
	case t.Got == "":
		return "not measured"
	case t.Met:
		return "met"
	}
	return "NOT MET"
}

// align writes lines of cells that end with a tab so that columns stand under
// each other.
func align(out *bytes.Buffer, lines []byte) {
	columns := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = columns.Write(lines) // a Buffer takes everything
	_ = columns.Flush()
}

// thousands writes 412345.6 as 412,346.
func thousands(n float64) string {
	digits := strconv.FormatInt(int64(n+0.5), 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func mebibytes(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%d MiB", (n+megabyte/2)>>20)
}
