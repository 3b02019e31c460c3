//go:build unix

package kafka

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

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

// What was committed behind an open transaction of another pipeline counts: taken
// over by another name from before it, it would be delivered again.
func TestCommittedBehindAnOpenTransaction(t *testing.T) {
	k, cluster := fake(t)
	lane, _ := k.open(k.sink(), "first")
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
	other := k.produce(&kgo.Record{Topic: positionsTopic, Partition: partitionOf(k.name, positionsPartitions), Key: []byte("other/x"), Value: []byte("{}")},
		kgo.TransactionalID("other"))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(2)}))
	looks := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
	looked := make(chan pipeline.Position, 1)
	go func() {
		positions, _, err := k.sink().Committed(t.Context(), k.name)
		if err != nil {
			t.Error(err)
		}
		looked <- positions["list"].Position
	}()
	waiting, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	must(t, looks.Wait(waiting, 6)) // it looks, and looks
	must(t, other.EndTransaction(t.Context(), kgo.TryCommit))
	if p := <-looked; p != at(2) {
		t.Errorf("the position is %v", p)
	}
}

func TestCommittedOfATopicWithMorePartitionsThanBefore(t *testing.T) {
	k, _ := fake(t)
	lane, _ := k.open(k.sink(), "first")
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
	_, err := k.admin.CreatePartitions(t.Context(), 4, positionsTopic)
	must(t, err)
	_, _, err = k.sink().Committed(t.Context(), k.name)
	wantError(t, err, pipeline.Permanent, "has 20 partitions, and had 16")
}
