//go:build e2e

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/cmd/bench/report"
)

func TestBenchOnRealServers(t *testing.T) {
	dir := t.TempDir()
	out, err := runCommand(t, "--quick", "--seconds", "0.2", "--only", "^((stream|list)-(step|pipelined|group|stock)|pubsub-.*)$", "--out", dir)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, "stream → Kafka") || !strings.Contains(out, "list → Kafka") {
		t.Errorf("got the table:\n%s", out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	var found report.Report
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
	}
	if len(found.Rows) != 6 || found.Header.Redis == "unknown" || found.Header.Kafka == "unknown" {
		t.Errorf("got %d rows, %+v; want the six loops, and the versions of the servers", len(found.Rows), found.Header)
	}
	if len(found.PubSubs) != 8 {
		t.Errorf("got %+v; want four rates of each system's Pub/Subs", found.PubSubs)
	}
	for _, p := range found.PubSubs {
		if len(p.Penstock) != 1 || len(p.Stock) != 1 || p.Ratio() <= 0 {
			t.Errorf("got %+v; want a rate of each side", p)
		}
	}
	for _, row := range found.Rows {
		if len(row.Runs) != 1 || row.Rate() <= 0 || row.CPU() <= 0 || !row.Verdict().Clean() {
			t.Errorf("%s: got %+v; want one run with figures, and nothing lost, doubled, disordered or corrupt", row.Name, row.Runs)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "bench.svg")); err != nil {
		t.Error(err)
	}
}
