package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/penstock-io/penstock/pipeline"
)

// bounds is what a partition says of itself: the offsets there are, and which
// topic it belongs to. A topic that was deleted and made again has another id
// (KIP-516, Kafka 2.8).
type bounds struct {
	topicID string
	oldest  int64 // first offset that is kept
	stable  int64 // after the last one that a read_committed reader may see
	end     int64 // after the last one
}

// bounds asks for them.
func (r *partitionReader) bounds(ctx context.Context) (bounds, error) {
	topic, err := r.source.topic(ctx, r.topic)
	if err != nil {
		return bounds{}, err
	}
	b := bounds{topicID: topic.ID.String()}
	for _, ask := range []struct {
		list func(*kadm.Client, context.Context, ...string) (kadm.ListedOffsets, error)
		to   *int64
	}{
		{(*kadm.Client).ListStartOffsets, &b.oldest},
		{(*kadm.Client).ListCommittedOffsets, &b.stable},
		{(*kadm.Client).ListEndOffsets, &b.end},
	} {
		if *ask.to, err = r.offset(ctx, ask.list); err != nil {
			return bounds{}, err
		}
	}
	return b, nil
}

// offset asks for one offset of the partition.
func (r *partitionReader) offset(ctx context.Context, list func(*kadm.Client, context.Context, ...string) (kadm.ListedOffsets, error)) (int64, error) {
	admin, err := r.source.admin()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	listed, err := list(admin, ctx, r.topic)
	found, known := listed.Lookup(r.topic, r.partition)
	switch {
	case err != nil:
	case !known:
		err = fmt.Errorf("partition %d is not there", r.partition)
	default:
		err = found.Err
	}
	if err != nil {
		return 0, r.source.failed("looking at partition "+r.shard(), r.topic, err)
	}
	return found.Offset, nil
}

// open decides where the reader starts.
func (r *partitionReader) open(ctx context.Context, req pipeline.OpenRequest) error {
	b, err := r.bounds(ctx)
	if err != nil {
		return err
	}
	from := req.From
	if from == nil && r.keeps {
		if from, err = r.kept(ctx); err != nil {
			return err
		}
	}
	switch {
	case from != nil:
		r.start, err = r.resume(b, *from)
	case req.First && r.source.settings.Start == "newest":
		r.start = b.at(b.stable)
	default:
		r.start = b.at(b.oldest)
	}
	r.moveTo(r.start)
	return err
}

// at is the position before an offset.
func (b bounds) at(next int64) pipeline.Position {
	return pipeline.Position{Incarnation: b.topicID, Offset: pipeline.Offset{Minor: uint64(next)}} //nolint:gosec // offsets are not negative
}

// resume holds the partition against a position, and gives the one to go on from.
func (r *partitionReader) resume(b bounds, from pipeline.Position) (pipeline.Position, error) {
	next := nextOffset(from)
	switch {
	case b.topicID != from.Incarnation:
		return r.gap(from, b.at(b.oldest), fmt.Sprintf("the topic was deleted and made again: its id was %s, and is %s", from.Incarnation, b.topicID))
	case next < b.oldest:
		return r.gap(from, b.at(b.oldest), fmt.Sprintf("%d offsets were deleted before they were read: the oldest that is kept is %d", b.oldest-next, b.oldest))
	case next > b.end:
		return r.gap(from, b.at(b.end), fmt.Sprintf("the partition ends before offset %d: a broker has lost what came after", b.end))
	default:
		return from, nil
	}
}

// gap halts, or goes on elsewhere and says so, as on_gap has it.
func (r *partitionReader) gap(from, to pipeline.Position, why string) (pipeline.Position, error) {
	last := nextOffset(from) - 1
	if r.source.settings.OnGap != "continue" {
		return pipeline.Position{}, &pipeline.Error{Class: pipeline.Gap,
			What: fmt.Sprintf("partition %s does not continue what was delivered, up to offset %d: %s", r.shard(), last, why),
			Do:   "look at the topic's retention and at the brokers; to go on with what there is, say on_gap: continue, or once: penstock positions set FILE " + r.shard() + " oldest"}
	}
	r.source.log.Warn("a partition does not continue what was delivered; going on", "shard", r.shard(), "delivered_to", last, "reason", why, "from", nextOffset(to))
	return to, nil
}

// nextOffset is the offset after a position.
func nextOffset(p pipeline.Position) int64 { return int64(p.Offset.Minor) } //nolint:gosec // it came from an offset

// kept reads the position from the group; nil: there is none.
func (r *partitionReader) kept(ctx context.Context) (*pipeline.Position, error) {
	admin, err := r.source.admin()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	found, err := admin.FetchOffsetsForTopics(ctx, r.source.group, r.topic)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, r.source.failed("reading the position of group "+r.source.group, r.topic, err)
	}
	o, ok := found.Lookup(r.topic, r.partition)
	switch {
	case ok && o.Err != nil:
		return nil, r.source.failed("reading the position of group "+r.source.group, r.topic, o.Err)
	case !ok || o.At < 0 || o.Metadata == "":
		return nil, nil
	}
	p := bounds{topicID: o.Metadata}.at(o.At)
	return &p, nil
}

// Settle keeps the position in the group, where the sink stores none; the topic's id
// goes with it, as metadata. A topic is not cleaned up: its retention does that.
func (r *partitionReader) Settle(ctx context.Context, p pipeline.Position) error {
	if err := r.life.Err(); err != nil || !r.keeps {
		return err
	}
	admin, err := r.source.admin()
	if err != nil {
		return err
	}
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: r.topic, Partition: r.partition, At: nextOffset(p), LeaderEpoch: -1, Metadata: p.Incarnation})
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	if err := admin.CommitAllOffsets(ctx, r.source.group, offsets); err != nil {
		return r.source.failed("keeping the position in group "+r.source.group, r.topic, err)
	}
	return nil
}

// Tail is after the last record that a read_committed reader may see now.
func (r *partitionReader) Tail(ctx context.Context) (pipeline.Position, error) {
	if err := r.life.Err(); err != nil {
		return pipeline.Position{}, err
	}
	stable, err := r.offset(ctx, (*kadm.Client).ListCommittedOffsets)
	if err != nil {
		return pipeline.Position{}, err
	}
	return bounds{topicID: *r.topicID.Load()}.at(stable), nil
}

// Lag is how many offsets lie between what was read and the end. Of a topic that is
// compacted or written in transactions not all of them are records.
func (r *partitionReader) Lag(ctx context.Context) (int64, error) {
	if err := r.life.Err(); err != nil {
		return -1, err
	}
	stable, err := r.offset(ctx, (*kadm.Client).ListCommittedOffsets)
	if err != nil {
		return -1, err
	}
	return max(0, stable-r.next.Load()), nil
}
