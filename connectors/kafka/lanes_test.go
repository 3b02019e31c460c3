//go:build unix

package kafka

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// lanes opens all lanes of an instance, as the engine does.
func (k *kafkaTest) lanes(s *Sink, instance string, n int) []pipeline.Lane {
	k.Helper()
	var lanes []pipeline.Lane
	for number := range n {
		lane, _ := k.openLane(s, instance, number, n)
		lanes = append(lanes, lane)
	}
	return lanes
}

func (k *kafkaTest) openLane(s *Sink, instance string, number, n int) (pipeline.Lane, map[string]pipeline.Position) {
	k.Helper()
	lane, positions, err := s.Open(k.Context(), pipeline.LaneID{Pipeline: k.name, Lane: number, Lanes: n, Instance: instance})
	must(k, err)
	k.Cleanup(func() { must(k, lane.Close(context.Background())) })
	return lane, positions
}

func moves(t *testing.T, lane pipeline.Lane, shard, value string, to uint64) {
	t.Helper()
	must(t, lane.Write(t.Context(), batch(shard, value)))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{shard: at(to)}))
}

// refused checks that a lane can commit nothing any more.
func refused(t *testing.T, lane pipeline.Lane, shard string) {
	t.Helper()
	err := lane.Write(t.Context(), batch(shard, "of the fenced"))
	if err == nil {
		err = lane.Commit(t.Context(), map[string]pipeline.Position{shard: at(99)})
	}
	if err == nil {
		t.Errorf("the fenced lane of shard %s has committed", shard)
	}
}

func TestLanesOfOneInstanceLeaveEachOtherAlone(t *testing.T) {
	k := anyKafka(t)
	s := k.sink()
	lanes := k.lanes(s, "one", 3)
	for i, shard := range []string{"a", "b", "c"} {
		moves(t, lanes[i], shard, shard+"1", 1)
	}
	must(t, lanes[1].Close(t.Context()))
	again, positions := k.openLane(s, "one", 1, 3)
	if len(positions) != 3 || positions["c"] != at(1) {
		t.Errorf("the positions are %v", positions)
	}
	moves(t, lanes[0], "a", "a2", 2)
	moves(t, again, "b", "b2", 2)
	moves(t, lanes[2], "c", "c2", 2)
}

// Tasks were more, or fewer: whoever held a lane is fenced before anything is read,
// also where the lane is not there any more.
func TestLanesOfAnEarlierStartAreFenced(t *testing.T) {
	for _, count := range []struct{ then, now int }{{3, 1}, {1, 3}, {2, 4}, {4, 2}} {
		k := anyKafka(t)
		old := k.sink()
		lanes := k.lanes(old, "old", count.then)
		shards := []string{"a", "b", "c", "d"}
		for i, lane := range lanes {
			moves(t, lane, shards[i], shards[i], 1)
		}
		must(t, lanes[len(lanes)-1].Write(t.Context(), batch("open", "never")))

		fresh := k.sink()
		_, positions := k.openLane(fresh, "new", 0, count.now) // the first of its lanes is enough
		if len(positions) != count.then {
			t.Errorf("%v: the positions are %v", count, positions)
		}
		for i, lane := range lanes {
			refused(t, lane, shards[i])
			must(t, lane.Close(t.Context()))
		}
		_, _, err := old.Open(t.Context(), pipeline.LaneID{Pipeline: k.name, Lane: count.then - 1, Lanes: count.then, Instance: "old"})
		wantError(t, err, pipeline.Fenced, "taken over by new")
		if got := k.values(k.topic); !slices.Equal(got, shards[:count.then]) {
			t.Errorf("%v: the topic holds %q", count, got)
		}
	}
}

// Lanes that are gone are fenced once: their claims go.
func TestLanesThatAreGoneAreForgotten(t *testing.T) {
	k := anyKafka(t)
	k.lanes(k.sink(), "old", 3)
	for start, want := range []bool{true, false} {
		var log bytes.Buffer
		s := k.sink()
		s.log = slog.New(slog.NewTextHandler(&log, nil))
		k.openLane(s, []string{"new", "newer"}[start], 0, 1)
		if said := bytes.Contains(log.Bytes(), []byte("lanes of an earlier start, which had more tasks, are fenced")); said != want {
			t.Errorf("start %d: fenced is %v, want %v: %s", start, said, want, log.String())
		}
	}
}

// values gives the committed values of a topic, sorted.
func (k *kafkaTest) values(topic string) []string {
	var values []string
	for _, r := range k.committed(topic) {
		values = append(values, string(r.Value))
	}
	slices.Sort(values)
	return values
}
