//go:build unix

package kafka

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock-io/penstock/pipeline"
)

// An open transaction of somebody else hides what lies behind it from
// read_committed readers: the opening waits for its end, and forgets nothing.
func TestOpenWaitsBehindAnOpenTransaction(t *testing.T) {
	k, cluster := fake(t)
	s := k.sink()
	lane, _ := k.open(s, "first")
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(7)}))
	must(t, lane.Close(t.Context()))
	other := k.produce(&kgo.Record{Topic: positionsTopic, Partition: partitionOf(k.name, positionsPartitions), Key: []byte("other/x"), Value: []byte("{}")},
		kgo.TransactionalID("other"))
	opened := make(chan map[string]pipeline.Position, 1)
	looks := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
	go func() {
		lane, positions, err := s.Open(t.Context(), k.id("first"))
		if err != nil {
			t.Error(err)
		} else if err := lane.Close(t.Context()); err != nil {
			t.Error(err)
		}
		opened <- positions
	}()
	waiting, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	must(t, looks.Wait(waiting, 6)) // it looks, and looks
	select {
	case positions := <-opened:
		t.Fatalf("it did not wait, and has the positions %v", positions)
	default:
	}
	must(t, other.EndTransaction(t.Context(), kgo.TryCommit))
	if positions := <-opened; positions["list"] != at(7) {
		t.Errorf("the positions are %v", positions)
	}
}

func TestPositionsTopicIsChecked(t *testing.T) {
	for name, c := range map[string]struct {
		partitions int32
		configs    map[string]*string
		words      string
	}{
		"one partition":        {1, nil, "has one partition"},
		"not compacted":        {16, map[string]*string{"cleanup.policy": new("delete")}, "cleanup.policy=delete"},
		"deleted all the same": {16, map[string]*string{"cleanup.policy": new("compact,delete")}, "would forget positions"},
	} {
		t.Run(name, func(t *testing.T) {
			k, _ := fake(t)
			k.create(positionsTopic, c.partitions, c.configs)
			_, _, err := k.sink().Open(t.Context(), k.id("first"))
			wantError(t, err, pipeline.Permanent, positionsTopic, c.words)
		})
	}
}

func TestPositionsTopicWithMorePartitionsThanBefore(t *testing.T) {
	k, _ := fake(t)
	k.create(positionsTopic, 4, map[string]*string{"cleanup.policy": new("compact")})
	s := k.sink()
	lane, _ := k.open(s, "first")
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(7)}))
	must(t, lane.Close(t.Context()))
	if _, positions := k.open(s, "first"); positions["list"] != at(7) {
		t.Errorf("with four partitions the positions are %v", positions)
	}
	_, err := k.admin.CreatePartitions(t.Context(), 4, positionsTopic)
	must(t, err)
	_, _, err = k.sink().Open(t.Context(), k.id("second"))
	wantError(t, err, pipeline.Permanent, "has 8 partitions, and had 4")
}

func TestStoredPositionsThatCannotBeRead(t *testing.T) {
	for value, words := range map[string]string{
		`{"version":2,"position":"0-1"}`:  "version 2, this Penstock knows 1",
		`{"version":1,"position":"one"}`:  `reads "one"`,
		`{"version":1,"position":"0-7,"}`: `reads "0-7,"`,
		`nonsense`:                        "cannot be read",
	} {
		k, _ := fake(t)
		lane, _ := k.open(k.sink(), "first")
		must(t, lane.Close(t.Context()))
		k.produce(&kgo.Record{Topic: positionsTopic, Partition: partitionOf(k.name, positionsPartitions), Key: []byte(k.name + "/list"), Value: []byte(value)})
		_, _, err := k.sink().Open(t.Context(), k.id("second"))
		wantError(t, err, pipeline.Permanent, "shard list of pipeline "+k.name, words)
	}
}

func TestForgottenPosition(t *testing.T) {
	k, _ := fake(t)
	lane, _ := k.open(k.sink(), "first")
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(7), "kept": at(8)}))
	must(t, lane.Close(t.Context()))
	k.produce(&kgo.Record{Topic: positionsTopic, Partition: partitionOf(k.name, positionsPartitions), Key: []byte(k.name + "/list")})
	if _, positions := k.open(k.sink(), "second"); len(positions) != 1 || positions["kept"] != at(8) {
		t.Errorf("the positions are %v", positions)
	}
}

// What a lane has left open hides what lies behind it until it times out. The
// next opening aborts it, and so must not wait for it before.
func TestOpenDoesNotWaitForItsOwnTransaction(t *testing.T) {
	k := anyKafka(t)
	s := k.sink(func(s *SinkSettings) { s.Transaction = 10 * time.Minute })
	opened, _ := k.open(s, "first")
	lane := opened.(*Lane)
	must(t, lane.Write(t.Context(), batch("list", "one")))
	lane.produce(t.Context(), positionRecord(lane.id, lane.partition, "list", at(1), time.Now()))
	must(t, lane.flush(t.Context()))
	lane.client.Close() // it cannot tell the broker that it gives up
	must(t, lane.Close(t.Context()))
	_, positions := k.open(s, "first")
	if len(positions) != 0 {
		t.Errorf("the positions are %v", positions)
	}
	k.wantCommitted(k.topic)
}

// A rival that dies while it claims has taken nothing over, and one that lives
// has: what it claims counts when it is committed.
func TestClaimOfARivalThatIsNotCommitted(t *testing.T) {
	for end, class := range map[kgo.TransactionEndTry]pipeline.Class{kgo.TryAbort: pipeline.Retryable, kgo.TryCommit: pipeline.Fenced} {
		k, cluster := fake(t)
		s := k.sink()
		lane, _ := k.open(s, "ours")
		must(t, lane.Close(t.Context()))
		rival := k.produce(stored(partitionOf(k.name, positionsPartitions), claimKey(k.id("")), storedClaim{Version: version, Instance: "theirs", Lanes: 1}),
			kgo.TransactionalID("theirs"))
		done := make(chan error, 1)
		looks := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Observe: true, Count: -1})
		go func() {
			lane, _, err := s.Open(t.Context(), k.id("ours"))
			if err == nil {
				err = lane.Close(t.Context())
			}
			done <- err
		}()
		waiting, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		must(t, looks.Wait(waiting, 6)) // it looks, and looks
		cancel()
		must(t, rival.EndTransaction(t.Context(), end))
		if err := <-done; class == pipeline.Fenced {
			wantError(t, err, class, "taken over by theirs")
		} else if err != nil {
			t.Errorf("a rival that claimed nothing: %v", err)
		}
	}
}

// A claim of this instance that it could not commit hides no rival's before it.
func TestRivalBeforeAClaimThatFailed(t *testing.T) {
	k, _ := fake(t)
	s := k.sink()
	lane, _ := k.open(s, "ours")
	must(t, lane.Close(t.Context()))
	claimed := func(instance string) *kgo.Record {
		return stored(partitionOf(k.name, positionsPartitions), claimKey(k.id("")),
			storedClaim{Version: version, Instance: instance, Lanes: 1, Time: time.Now().UTC()})
	}
	k.produce(claimed("theirs"))
	failed := k.produce(claimed("ours"), kgo.TransactionalID("ours"))
	must(t, failed.EndTransaction(t.Context(), kgo.TryAbort))
	_, _, err := s.Open(t.Context(), k.id("ours"))
	wantError(t, err, pipeline.Fenced, "taken over by theirs")
}

// TestOpenEndsWithItsContext: a broker that accepts connections and says nothing.
func TestOpenEndsWithItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, silent.Close()) })
	k, _ := fake(t)
	s := k.sink(func(s *SinkSettings) { s.Brokers = []string{silent.Addr().String()} })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, _, err = s.Open(ctx, pipeline.LaneID{Pipeline: "p", Lanes: 1, Instance: "i"}); err == nil {
		t.Error("a silent broker was opened")
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it ended %v after its context", took)
	}
}
