package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// Report is what a run has found.
type Report struct {
	Time     time.Time `json:"time"`
	Machine  string    `json:"machine"`
	Seed     uint64    `json:"seed"`
	Long     bool      `json:"long"`
	Redis    string    `json:"redis"`
	Kafka    string    `json:"kafka"`
	Penstock string    `json:"penstock"`
	Rows     []Row     `json:"rows"`

	options options
	headed  bool
}

// Row is one pipeline of a scenario.
type Row struct {
	Scenario   string    `json:"scenario"`
	Shape      shape     `json:"shape"`
	Events     int       `json:"events"`
	Faults     int       `json:"faults"`
	Restarts   int       `json:"restarts"` // of Penstock
	Lost       int       `json:"lost"`     // Gone not among them
	Doubled    int       `json:"doubled"`
	Disordered int       `json:"disordered"`
	Corrupt    int       `json:"corrupt"`        // and foreign
	Gone       int       `json:"gone,omitempty"` // taken away by a fault before they were read
	Poison     int       `json:"poison,omitempty"`
	Bound      int       `json:"bound,omitempty"` // of Doubled; 0: none may be
	PeakMiB    int64     `json:"peak_mib"`        // memory of Penstock
	Seconds    float64   `json:"seconds"`
	Seed       uint64    `json:"seed"`
	Long       bool      `json:"long"`
	Time       time.Time `json:"time"`
	Note       string    `json:"note,omitempty"`
	// Wrong says in words what was not as promised.
	Wrong    []string `json:"wrong,omitempty"`
	Examples []string `json:"examples,omitempty"`
	Log      string   `json:"log,omitempty"` // directory
}

func (r *Row) wrong(format string, args ...any) {
	r.Wrong = append(r.Wrong, fmt.Sprintf(format, args...))
}

// take fills in the counts.
func (r *Row) take(j *job, found pipelinetest.Report) {
	for _, n := range j.shop.Counts() {
		r.Events += n
	}
	gaps, entries := j.found()
	if r.Gone = j.gone; j.counts {
		r.Gone = entries
	}
	r.Lost, r.Doubled, r.Disordered, r.Corrupt = found.Lost-r.Gone, found.Doubled, found.Disordered, found.Corrupt+found.Foreign
	r.Examples = found.Examples
	if j.shape == group { // order is per consumer, and a record that comes again comes late
		r.Bound, r.Disordered = groupWindow*(r.Restarts+r.Faults)+j.comeAgain*r.Faults, 0
	}
	if gaps < j.gaps {
		r.wrong("Penstock found %d gaps, and there were %d", gaps, j.gaps)
	}
	if r.Note = j.said; gaps > 0 {
		r.Note = fmt.Sprintf("%d gaps found", gaps)
	}
}

// OK tells whether every promise was kept.
func (r Row) OK() bool {
	return r.Lost == 0 && r.Disordered == 0 && r.Corrupt == 0 && r.Doubled <= r.Bound && len(r.Wrong) == 0
}

// newReport begins a report, and sees whether it can be written where it is to be.
func newReport(o options) (*Report, error) {
	if o.readme != "" {
		text, err := os.ReadFile(o.readme)
		if err != nil {
			return nil, err
		}
		if _, _, err := between(string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", o.readme, err)
		}
	}
	return &Report{Time: time.Now().UTC(), Machine: machine(), Seed: o.seed, Long: o.long, options: o}, nil
}

// machine says where the figures are made.
func machine() string {
	cpu, memory := "unknown CPU", ""
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		cpu = field(info, "model name")
	}
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		memory = ", " + field(info, "MemTotal")
	}
	return fmt.Sprintf("%s, %d cores%s", cpu, runtime.NumCPU(), memory)
}

// field reads the value of the first line "name: value".
func field(text []byte, name string) string {
	for line := range bytes.Lines(text) {
		key, value, found := strings.Cut(string(line), ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// penstockVersion is the commit that the binary was built from.
func penstockVersion(binary string) string {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "unknown"
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			version = s.Value[:min(12, len(s.Value))]
		}
	}
	return version
}

const rowFormat = "%-14s %-7s %9s %6s %8s %6s %8s %10s %7s %6s %8s  %s\n"

// rowsText shows rows to people, as they come.
func (r *Report) rowsText(rows []Row) string {
	var s strings.Builder
	if !r.headed {
		fmt.Fprintf(&s, rowFormat, "scenario", "from", "events", "faults", "restarts", "lost", "doubled", "disordered", "corrupt", "peak", "seconds", "")
		r.headed = true
	}
	for _, row := range rows {
		fmt.Fprintf(&s, rowFormat, row.Scenario, row.Shape, thousands(row.Events), fmt.Sprint(row.Faults), fmt.Sprint(row.Restarts),
			fmt.Sprint(row.Lost), fmt.Sprint(row.Doubled), fmt.Sprint(row.Disordered), fmt.Sprint(row.Corrupt), fmt.Sprintf("%d M", row.PeakMiB), fmt.Sprintf("%.0f", row.Seconds), row.remark())
		for _, wrong := range row.Wrong {
			fmt.Fprintf(&s, "    %s\n", wrong)
		}
		if !row.OK() {
			for _, example := range row.Examples {
				fmt.Fprintf(&s, "    %s\n", example)
			}
			fmt.Fprintf(&s, "    logs: %s; again: %s\n", row.Log, r.again(row))
		}
	}
	return s.String()
}

// again gives the command that repeats a row.
func (r *Report) again(row Row) string {
	command := fmt.Sprintf("go run ./cmd/chaos --seed %d --only %s", row.Seed, row.Scenario)
	if len(r.options.from) > 0 { // what runs beside it counts too
		command += " --from " + strings.Join(r.options.from, ",")
	}
	if r.options.long {
		command += " --long"
	}
	if r.options.events > 0 {
		command += fmt.Sprintf(" --events %d", r.options.events)
	}
	return command
}

// remark says what the figures do not.
func (r Row) remark() string {
	var all []string
	if !r.OK() {
		all = append(all, "BROKEN")
	}
	if r.Gone > 0 {
		all = append(all, fmt.Sprintf("%s taken away", thousands(r.Gone)))
	}
	if r.Poison > 0 {
		all = append(all, fmt.Sprintf("%s dead letters", thousands(r.Poison)))
	}
	if r.Bound > 0 {
		all = append(all, fmt.Sprintf("doubled at most %s", thousands(r.Bound)))
	}
	if r.Note != "" {
		all = append(all, r.Note)
	}
	return strings.Join(all, "; ")
}

// finish writes what is asked for; the error tells how many promises were broken.
func (r *Report) finish(stdout io.Writer) error {
	broken := 0
	for _, row := range r.Rows {
		if !row.OK() {
			broken++
		}
	}
	var err error
	if r.options.json {
		err = writeJSON(stdout, r)
	} else {
		_, err = fmt.Fprintf(stdout, "%s  %s; Redis %s, Kafka %s, Penstock %s; seed %d\n", r.Time.Format(time.RFC3339), r.Machine, r.Redis, r.Kafka, r.Penstock, r.Seed)
	}
	if err != nil {
		return err
	}
	rows, err := r.kept()
	if err != nil {
		return err
	}
	if broken > 0 {
		return fmt.Errorf("%d of %d pipelines did not keep what is promised; seed %d", broken, len(r.Rows), r.Seed)
	}
	if r.options.readme != "" {
		return r.writeReadme(r.options.readme, rows)
	}
	return nil
}

// thousands writes 412345 as 412,345.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
