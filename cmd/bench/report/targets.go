package report

import "fmt"

// Target is something the project promises, and what was found.
type Target struct {
	Name string `json:"name"`
	Want string `json:"want"`
	Got  string `json:"got"` // empty: not measured
	Met  bool   `json:"met"`
}

const megabyte = 1 << 20

// Judge fills Targets. Speed is judged by ratios within this one report, since
// absolute figures move from machine to machine; a mover that lost, doubled,
// disordered or corrupted an event has no speed.
func (r *Report) Judge() {
	r.Targets = []Target{
		r.faster("stream, exactly once, beside the step-by-step loop", "penstock-stream", "stream-step", 1.2),
		r.faster("stream, beside the stock Watermill wiring", "penstock-stream", "stream-stock", 200),
		r.faster("list, exactly once, beside the step-by-step loop", "penstock-list", "list-step", 1.1),
		r.faster("list, beside the article's script", "penstock-list", "list-article", 50),
		r.faster("filter, dedupe and set, beside no transforms", "penstock-chain", "penstock-stream", 0.5),
		r.faster("a plugin that does nothing, beside no transforms", "penstock-plugin", "penstock-stream", 0.6),
		r.faster("a server with one pipeline, beside a run", "penstock-serve", "penstock-stream", 0.95),
		r.faster("consumer group, at least once, beside its loop", "penstock-group", "stream-group", 1.0),
		r.cheaper("CPU of the stream, beside the step-by-step loop", "penstock-stream", "stream-step"),
		r.cheaper("CPU of the list, beside the step-by-step loop", "penstock-list", "list-step"),
	}
	for _, l := range r.Latency {
		name := fmt.Sprintf("latency of the %s at %d/s, ", l.From, l.Rate)
		r.Targets = append(r.Targets,
			atMost(name+"p50", l.P50, 4, "%.1f ms"), atMost(name+"p99", l.P99, 12, "%.1f ms"))
	}
	for _, m := range r.Memory {
		t := atMost("memory of the "+m.From+", "+m.Situation, float64(m.PeakRSS)/megabyte, 100, "%.0f MiB")
		if !m.Verdict.Clean() {
			t.Got, t.Met = t.Got+", but wrong: "+m.Verdict.String(), false
		}
		r.Targets = append(r.Targets, t)
	}
	for _, p := range r.PubSubs {
		r.Targets = append(r.Targets, Target{
			Name: fmt.Sprintf("Pub/Sub of %s, %s, beside the stock one", p.System, p.What), Want: "> 1 ×",
			Got: fmt.Sprintf("%.3g ×", p.Ratio()), Met: p.Ratio() > 1,
		})
	}
	for _, c := range r.Chains {
		most := map[string]float64{"json → filter → set → json": 1.5, "json → filter → json": 0.8}[c.Name]
		r.Targets = append(r.Targets, atMost("CPU of "+c.Name+", a record", c.Nanoseconds/1000, most, "%.2f µs"))
	}
	for _, f := range r.Formats {
		if f.Name == "avro" || f.Name == "protobuf" {
			r.Targets = append(r.Targets, atMost("CPU of writing "+f.Name+", a record", f.Write/1000, 1, "%.2f µs"))
		}
	}
	for _, p := range r.Plugins {
		if p.Language == "Go" {
			r.Targets = append(r.Targets,
				atMost("CPU of a plugin in Go, both sides, a record", p.CPU/1000, 3, "%.2f µs"),
				atMost("plugin in Go, a batch of one", p.One/1000, 300, "%.0f µs"))
		}
	}
	if r.Startup != nil {
		r.Targets = append(r.Targets, atMost("exec to the first XREAD, median", r.Startup.P50, 100, "%.0f ms"))
	}
	if s := r.Server; s != nil {
		name := fmt.Sprintf("%d idle pipelines in one server, ", s.Pipelines)
		r.Targets = append(r.Targets,
			atMost(name+"an open page, of a core", s.Page, 2, "%.1f %%"), atMost(name+"API p99, all of them", s.ListP99, 20, "%.1f ms"), atMost(name+"API p99, one of them", s.OneP99, 20, "%.1f ms"),
			atMost(name+"started", s.Seconds, 20, "%.1f s"), atMost(name+"memory of each", s.Bytes/1000, 500, "%.0f KB"),
			atMost(name+"disturbed by the change of one", float64(s.Disturbed), 0, "%.0f"))
	}
	if r.Idle != nil {
		r.Targets = append(r.Targets, atMost("CPU of an idle pipeline, of a core", r.Idle.Percent, 1, "%.1f %%"))
	}
}

// faster wants the rate of one row to be at least times that of another.
func (r *Report) faster(name, row, other string, times float64) Target {
	t := Target{Name: name, Want: fmt.Sprintf("≥ %.4g ×", times)}
	mine, theirs := r.row(row), r.row(other)
	if mine == nil || theirs == nil {
		return t
	}
	ratio := mine.Rate() / theirs.Rate()
	t.Got, t.Met = fmt.Sprintf("%.3g ×", ratio), ratio >= times
	return t.judgedBy(mine)
}

// cheaper wants a row to take no more CPU a record than another.
func (r *Report) cheaper(name, row, other string) Target {
	t := Target{Name: name, Want: "≤ 1.0 ×"}
	mine, theirs := r.row(row), r.row(other)
	if mine == nil || theirs == nil {
		return t
	}
	ratio := mine.CPU() / theirs.CPU()
	t.Got, t.Met = fmt.Sprintf("%.2f ×", ratio), ratio <= 1.0
	return t.judgedBy(mine)
}

// judgedBy fails the target where the row's events did not arrive as they should.
func (t Target) judgedBy(row *Row) Target {
	if v := row.Verdict(); !v.Clean() {
		t.Got, t.Met = t.Got+", but wrong: "+v.String(), false
	}
	return t
}

func atMost(name string, got, want float64, format string) Target {
	return Target{
		Name: name, Want: "≤ " + fmt.Sprintf(format, want),
		Got: fmt.Sprintf(format, got), Met: got <= want,
	}
}
