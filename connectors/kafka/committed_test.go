//go:build unix

package kafka

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

func TestCommittedAndForgotten(t *testing.T) {
	k := anyKafka(t)
	s := k.sink()
	look := func() (map[string]pipeline.Committed, []pipeline.Claim) {
		t.Helper()
		positions, claims, err := k.sink().Committed(t.Context(), k.name)
		must(t, err)
		return positions, claims
	}
	if positions, claims := look(); len(positions) > 0 || len(claims) > 0 {
		t.Errorf("a new pipeline has %v, %v", positions, claims)
	}
	began := time.Now().Add(-time.Second)
	lanes := k.lanes(s, "one", 2)
	must(t, lanes[0].Commit(t.Context(), map[string]pipeline.Position{"a": at(1), "b/c": at(2)}))
	must(t, lanes[1].Commit(t.Context(), map[string]pipeline.Position{"d": at(3)}))
	positions, claims := look()
	for shard, want := range map[string]pipeline.Position{"a": at(1), "b/c": at(2), "d": at(3)} {
		got := positions[shard]
		if got.Position != want || got.Instance != "one" || got.Time.Before(began) || got.Time.After(time.Now().Add(time.Second)) {
			t.Errorf("shard %s has %+v", shard, got)
		}
	}
	if len(claims) != 2 || claims[1].Lane != 1 || claims[1].Lanes != 2 || claims[1].Instance != "one" {
		t.Errorf("the claims are %+v", claims)
	}
	moves(t, lanes[0], "a", "goes on", 5) // nobody was fenced
	must(t, lanes[0].(pipeline.Forgetter).Forget(t.Context(), "b/c", "d"))
	if positions, _ := look(); !slices.Equal(slices.Collect(maps.Keys(positions)), []string{"a"}) || positions["a"].Position != at(5) {
		t.Errorf("left are %v", positions)
	}
	must(t, lanes[0].Close(t.Context()))
	if err := lanes[0].(pipeline.Forgetter).Forget(t.Context(), "a"); err == nil {
		t.Error("a closed lane has forgotten")
	}
}
