package kafka

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock-io/penstock/pipeline"
)

var _ pipeline.Placer = (*Source)(nil)

// Place gives a place of a partition: an offset, at which the reading goes on, from the
// oldest that is kept to the one after what read_committed readers may see.
func (s *Source) Place(ctx context.Context, shard, at string, _ *pipeline.Position) (pipeline.Position, error) {
	topic, partition, err := partitionOfShard(shard)
	if err != nil {
		return pipeline.Position{}, err
	}
	r := &partitionReader{source: s, topic: topic, partition: partition}
	b, err := r.bounds(ctx)
	if err != nil {
		return pipeline.Position{}, err
	}
	switch at {
	case pipeline.Oldest:
		return b.at(b.oldest), nil
	case pipeline.Newest:
		return b.at(b.stable), nil
	case pipeline.Kept:
		p, err := r.kept(ctx)
		if err == nil && p == nil {
			err = &pipeline.Error{Class: pipeline.Permanent, What: "group " + s.group + " keeps no position of partition " + shard, Do: "choose a place with positions set"}
		}
		if err != nil {
			return pipeline.Position{}, err
		}
		return *p, nil
	}
	next, err := strconv.ParseInt(strings.TrimPrefix(at, "0-"), 10, 64)
	if err != nil || next < b.oldest || next > b.stable {
		return pipeline.Position{}, &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("partition %s has no place %s: its offsets go from %d to %d", shard, at, b.oldest, b.stable),
			Do: "choose one of them, or oldest, or newest"}
	}
	return b.at(next), nil
}

// Forget does nothing: of a partition whose positions a sink stores the source keeps none.
func (s *Source) Forget(context.Context, string, *pipeline.Position) error { return nil }
