package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// claim is who owned a lane, since when, and of how many.
type claim struct {
	instance string
	lanes    int
	time     time.Time
}

// claim commits who owns the lane, and the number of partitions where nobody
// has written it down yet. Lanes that no longer exist, and are fenced, lose their
// claims with it.
func (l *Lane) claim(ctx context.Context, gone ...int) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	l.produceClaim(ctx)
	for _, lane := range gone {
		id := l.id
		id.Lane = lane
		l.produce(ctx, &kgo.Record{Topic: positionsTopic, Partition: l.partition, Key: []byte(claimKey(id))})
	}
	if l.writePartitions > 0 {
		l.produce(ctx, stored(0, partitionsKey, storedPartitions{Version: version, Partitions: l.writePartitions}))
	}
	return l.end(ctx)
}

func (l *Lane) produceClaim(ctx context.Context) {
	l.claimed = l.now().UTC()
	l.produce(ctx, stored(l.partition, claimKey(l.id), storedClaim{
		Version: version, Instance: l.id.Instance, Lanes: l.id.Lanes, Time: l.claimed,
	}))
}

// takeOver claims the lane, and reads the positions. Where another instance may hold
// other lanes, be it that they exist still or no longer, these are fenced, and the lane
// is claimed once more: what they committed in between lies before that claim. Of two
// instances that begin at once the one that claims later sees the other's claim.
func (l *Lane) takeOver(ctx context.Context) (map[string]pipeline.Position, error) {
	if err := l.claim(ctx); err != nil {
		return nil, err
	}
	strange, err := l.strange(ctx)
	if err != nil {
		return nil, err
	}
	if len(strange) > 0 {
		for _, lane := range strange {
			if err := l.fence(ctx, lane); err != nil {
				return nil, err
			}
		}
		gone := slices.DeleteFunc(slices.Clone(strange), func(lane int) bool { return lane < l.id.Lanes })
		if len(gone) > 0 {
			l.sink.log.Info("lanes of an earlier start, which had more tasks, are fenced", "lanes", gone)
		}
		if err := l.claim(ctx, gone...); err != nil {
			return nil, err
		}
	}
	return l.readPositions(ctx)
}

// strange gives the other lanes that another instance may hold, sorted: those it has
// claimed, and those it has not come to yet. It reads without regard to open
// transactions: those of the lanes that are to be fenced would be waited for until they
// time out. A claim that is never committed makes it fence one lane more.
func (l *Lane) strange(ctx context.Context) ([]int, error) {
	claims := map[int]claim{}
	end, err := l.endOffset(ctx, l.partition)
	if err != nil {
		return nil, err
	}
	err = l.read(ctx, l.partition, kgo.ReadUncommitted(), func(r *kgo.Record) (bool, error) {
		if lane, c, ok := l.claimIn(r); ok && !c.time.Equal(l.claimed) { // who had this lane before counts too
			claims[lane] = c
		} else if lane, key := laneOf(string(r.Key), l.id.Pipeline); key && !ok {
			delete(claims, lane)
		}
		return r.Offset >= end-1, nil
	})
	lanes := 0
	for lane, c := range claims {
		if c.instance != l.id.Instance {
			lanes = max(lanes, lane+1, c.lanes)
		}
	}
	var strange []int
	for lane := range lanes {
		if c, claimed := claims[lane]; lane != l.id.Lane && (!claimed || c.instance != l.id.Instance) {
			strange = append(strange, lane)
		}
	}
	return strange, err
}

// fence makes whoever holds a lane unable to commit, and aborts what he has open.
func (l *Lane) fence(ctx context.Context, lane int) error {
	id := l.id
	id.Lane = lane
	client, err := kgo.NewClient(append(slices.Clip(l.sink.opts), kgo.TransactionalID(transactionalID(id)))...)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, _, err := client.ProducerID(ctx); err != nil {
		return denied(fmt.Errorf("fencing lane %d: %w", lane, err), "Write", positionsTopic)
	}
	return nil
}

// checkRival returns Fenced where another instance has claimed a lane since this one
// did. A producer can be fenced by a rival that has not claimed yet, or by nobody:
// Kafka forgets a silent producer. After such an error it looks twice.
func (l *Lane) checkRival(ctx context.Context) error {
	l.sink.mu.Lock()
	_, owned := l.sink.claims[l.id.Lane]
	own, looks := slices.Collect(maps.Values(l.sink.claims)), 1
	if l.sink.suspicious {
		looks = 2
	}
	l.sink.mu.Unlock()
	if !owned {
		return nil
	}
	for look := range looks {
		if look > 0 && !wait(ctx, rivalPatience) {
			return ctx.Err()
		}
		newest, err := l.newestClaim(ctx, own)
		if err != nil {
			return err
		}
		if newest.instance != "" && newest.instance != l.id.Instance {
			return &pipeline.Error{Class: pipeline.Fenced,
				What: fmt.Sprintf("pipeline %s was taken over by %s at %s", l.id.Pipeline, newest.instance, newest.time.Format(time.RFC3339)),
				Do:   "stop one of the two; a pipeline has one active instance"}
		}
	}
	return nil
}

// newestClaim gives the last claim of a lane of the pipeline. It reads to the end there
// is now, first without regard to open transactions: one that this lane has left behind
// would be waited for until it times out. Only where the newest claim is none of the own
// ones does it matter what was committed.
func (l *Lane) newestClaim(ctx context.Context, own []time.Time) (claim, error) {
	end, err := l.endOffset(ctx, l.partition)
	if err != nil || end == 0 {
		return claim{}, err
	}
	newest, err := l.lastClaim(ctx, kgo.ReadUncommitted(), end)
	if err == nil && (newest.instance != l.id.Instance || !slices.ContainsFunc(own, newest.time.Equal)) {
		newest, err = l.lastClaim(ctx, kgo.ReadCommitted(), end)
	}
	return newest, err
}

// lastClaim gives the last claim of a lane before the offset end.
func (l *Lane) lastClaim(ctx context.Context, level kgo.IsolationLevel, end int64) (claim, error) {
	var newest claim
	err := l.read(ctx, l.partition, level, func(r *kgo.Record) (bool, error) {
		if _, c, ok := l.claimIn(r); ok {
			newest = c
		}
		return r.Offset >= end-1, nil
	})
	return newest, err
}

// claimIn gives the claim in a record, and the lane's number; false where it is none of
// this pipeline.
func (l *Lane) claimIn(r *kgo.Record) (int, claim, bool) {
	lane, ok := laneOf(string(r.Key), l.id.Pipeline)
	if r.Attrs.IsControl() || !ok {
		return 0, claim{}, false
	}
	var s storedClaim
	if json.Unmarshal(r.Value, &s) != nil {
		return 0, claim{}, false
	}
	return lane, claim{instance: s.Instance, lanes: s.Lanes, time: s.Time}, true
}
