package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// runs gives runs of a million records that took these seconds.
func runs(cpu float64, rss int64, seconds ...float64) []Run {
	var all []Run
	for _, s := range seconds {
		all = append(all, Run{Events: 1e6, Seconds: s, WholeSeconds: s + 0.1, CPUSeconds: cpu, PeakRSS: rss, MeanRSS: rss / 2})
	}
	return all
}

func sample() *Report {
	return &Report{
		Header: Header{
			Time: time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC), CPU: "A <fast> CPU", Cores: 2, MemoryBytes: 16 << 30,
			Kernel: "Linux 6.18", Go: "go1.26.8", Redis: "7.0.15", Kafka: "4.3", Penstock: "0123456789ab", Runs: 3,
			Seconds: 10, Users: 10_000, EventBytes: 284, Partitions: 4, Compression: "snappy",
		},
		Rows: []Row{
			{Name: "penstock-stream", Title: "Penstock", From: "stream", Promise: "exactly once", Runs: runs(2.5, 60<<20, 2, 2.2, 1.8)},
			{Name: "penstock-chain", Title: "Penstock, filter → dedupe → set", From: "stream", Promise: "exactly once", Runs: runs(5, 90<<20, 5)},
			{Name: "stream-step", Title: "loop by hand, step by step", From: "stream", Promise: "exactly once", Runs: runs(3, 50<<20, 3, 3.1, 2.9)},
			{Name: "stream-stock", Title: "stock watermill-redisstream → watermill-kafka", From: "stream", Promise: "at least once", Runs: runs(200, 0, 700)},
			{Name: "penstock-list", Title: "Penstock", From: "list", Promise: "exactly once", Runs: []Run{
				{Events: 1e6, Seconds: 1, CPUSeconds: 1.5, PeakRSS: 70 << 20, Verdict: Verdict{Lost: 3, Foreign: 1}},
			}},
			{Name: "list-step", Title: "loop by hand, step by step", From: "list", Promise: "exactly once", Runs: runs(1.7, 50<<20, 2)},
			{Name: "list-article", Title: "the article's script in Python", From: "list", Promise: "at least once"},
		},
		Latency: []Latency{{From: "stream", Rate: 2000, Runs: 3, N: 36000, P50: 1.9, P99: 12.4, Max: 31}},
		Memory:  []Memory{{From: "stream", Situation: "full speed, 1000000 waiting", PeakRSS: 61 << 20, MeanRSS: 50 << 20}},
		Startup: &Startup{Starts: 10, P50: 48.2, Max: 61.9},
		Idle:    &Idle{Seconds: 10, Percent: 0.2},
		Server:  &Server{Pipelines: 1000, Seconds: 14.57, Bytes: 352_000, Percent: 13.6, Page: 1.4, ListP99: 17.2, OneP99: 0.9},
		Formats: []Format{{Name: "json", Bytes: 300, Read: 210, Write: 4}, {Name: "avro", Bytes: 200, Read: 300, Write: 720}, {Name: "pattern", Bytes: 90, Read: 450, ReadOnly: true}, {Name: "protobuf", Bytes: 210, Read: 900, Write: 1200}},
		Plugins: []Plugin{{Language: "Go", CPU: 1640, One: 131_000}, {Language: "Python", CPU: 9120, One: 640_000}},
		Chains:  []Chain{{Name: "json → filter → set → json", Nanoseconds: 1310}, {Name: "json → filter → json", Nanoseconds: 820}},
		PubSubs: []PubSub{
			{System: "Redis", What: "publish, 64 at once", Penstock: []float64{60_000, 50_000, 70_000}, Stock: []float64{20_000, 25_000, 20_000}},
			{System: "Kafka", What: "publish, a message at a time", Penstock: []float64{1000}, Stock: []float64{1100}},
		},
	}
}

func golden(t *testing.T, name string, write func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := write(&got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%s differs; go test -update shows how. Got:\n%s", name, got.String())
	}
}

func TestTableForPeople(t *testing.T) {
	r := sample()
	r.Judge()
	golden(t, "full.txt", r.WriteTable)
}

func TestTableOfOneRow(t *testing.T) {
	r := sample()
	r.Rows, r.Latency, r.Memory, r.Startup, r.Idle, r.PubSubs, r.Server = r.Rows[:1], nil, nil, nil, nil, nil, nil
	r.Judge()
	golden(t, "one.txt", r.WriteTable)
}

func TestChart(t *testing.T) {
	r := sample()
	golden(t, "full.svg", r.WriteSVG)
	var drawn bytes.Buffer
	if err := r.WriteSVG(&drawn); err != nil {
		t.Fatal(err)
	}
	for decoder := xml.NewDecoder(&drawn); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the chart is not XML: %v", err)
		}
	}
}

func TestChartOfNothing(t *testing.T) {
	if err := (&Report{}).WriteSVG(io.Discard); err != nil {
		t.Error(err)
	}
}

func TestJSONHoldsEverything(t *testing.T) {
	r := sample()
	r.Judge()
	var text bytes.Buffer
	if err := r.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(text.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r, &back) {
		t.Errorf("read back it differs:\n%s", text.String())
	}
}

func TestTargets(t *testing.T) {
	stream := func(seconds, cpu float64, v Verdict) Row {
		return Row{Name: "penstock-stream", Runs: []Run{{Events: 1e6, Seconds: seconds, CPUSeconds: cpu, Verdict: v}}}
	}
	step := Row{Name: "stream-step", Runs: runs(3, 0, 1.2)}
	tests := []struct {
		name string
		rows []Row
		got  string
		met  bool
	}{
		{"exactly as fast as promised", []Row{stream(1, 3, Verdict{}), step}, "1.2 ×", true},
		{"a little slower", []Row{stream(1.01, 3, Verdict{}), step}, "1.19 ×", false},
		{"fast and wrong", []Row{stream(0.1, 3, Verdict{Doubled: 1}), step}, "12 ×, but wrong: 0/1/0/0", false},
		{"nothing to compare with", []Row{stream(1, 3, Verdict{})}, "", false},
		{"not measured", []Row{step}, "", false},
		{"no runs", []Row{{Name: "penstock-stream"}, step}, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := Report{Rows: test.rows}
			r.Judge()
			if got := r.Targets[0]; got.Got != test.got || got.Met != test.met {
				t.Errorf("got %q, met %v; want %q, %v", got.Got, got.Met, test.got, test.met)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	r := Report{
		Latency: []Latency{{From: "list", Rate: 2000, P50: 4, P99: 12.1}},
		Memory:  []Memory{{PeakRSS: 100 << 20}, {PeakRSS: 1 << 20, Verdict: Verdict{Lost: 1}}},
		Startup: &Startup{P50: 101}, Idle: &Idle{Percent: 0.9},
	}
	r.Judge()
	var met []string
	for _, target := range r.Targets {
		if outcome := target.outcome(); outcome != "not measured" {
			met = append(met, outcome)
		}
	}
	want := "met, NOT MET, met, NOT MET, NOT MET, met"
	if got := strings.Join(met, ", "); got != want {
		t.Errorf("p50, p99, memory, memory of a wrong run, start, idle: got %s; want %s", got, want)
	}
}

func TestQuantile(t *testing.T) {
	tests := []struct {
		values []float64
		q      float64
		want   float64
	}{
		{nil, 0.5, 0},
		{[]float64{7}, 0.99, 7},
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 2, 3}, 0.5, 2.5},
		{[]float64{5, 1, 3}, 0, 1},
		{[]float64{5, 1, 3}, 1, 5},
	}
	for _, test := range tests {
		if got := Quantile(test.values, test.q); got != test.want {
			t.Errorf("%v at %g: got %g; want %g", test.values, test.q, got, test.want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 999.4: "999", 999.5: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%g: got %s; want %s", n, got, want)
		}
	}
}
