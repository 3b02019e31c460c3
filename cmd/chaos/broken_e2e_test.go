//go:build e2e && linux

package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// pillars are what the promises stand on. Without one of them a scenario must fail: else
// it proves nothing.
var pillars = []struct {
	without  string
	scenario string
	shape    shape
	rate     int // events a second
	faults   func(sizes) []fault
	shows    func(Row) bool
}{
	{"nothing", "standby", list, 2000, standbys, Row.OK}, // the same binary keeps its promises
	{"no_fence", "standby", list, 2000, func(s sizes) []fault { return append(standbys(s), standbys(s)...) }, doubles},
	{"no_ticket", "poison", list, 5000, somekills, disorders},
	{"trim_before_commit", "kill", list, 2000, kills, loses},
	// So many that a transaction is open whenever Kafka goes away.
	{"dedupe_before_delivery", "dedupe", list, 20_000, func(s sizes) []fault { return append(giveUps(s), giveUps(s)...) }, loses},
}

func doubles(r Row) bool   { return r.Doubled > 0 }
func disorders(r Row) bool { return r.Disordered > 0 || r.Lost > 0 || r.Doubled > 0 }
func loses(r Row) bool     { return r.Lost > 0 }

// TestProofOfTheProof takes one pillar away after the other, and wants the suite to see it.
func TestProofOfTheProof(t *testing.T) {
	c, err := newChaos(t.Context(), options{seed: uint64(time.Now().UnixNano()), tags: "points,broken", out: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	c.sizes.arrive = 20 * time.Second // what is lost never comes
	t.Cleanup(func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("seed %d", c.options.seed)
	for _, p := range pillars {
		t.Run("without "+p.without, func(t *testing.T) {
			s := byNameOf(p.scenario)
			s.name, s.shapes, s.rate, s.faults = strings.ReplaceAll(p.without, "_", "-"), []shape{p.shape}, p.rate, p.faults
			s.env = []string{"PENSTOCK_BROKEN=" + p.without}
			rows, err := c.scenario(t.Context(), s)
			if err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			row := rows[0]
			t.Logf("%d lost, %d doubled, %d disordered, %v", row.Lost, row.Doubled, row.Disordered, row.Wrong)
			if !p.shows(row) {
				t.Errorf("%s shows nothing of it: %+v", p.scenario, row)
			}
		})
	}
}
