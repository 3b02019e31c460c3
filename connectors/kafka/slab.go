package kafka

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// slab is the Kafka records of one batch, from Write until the last of them is
// acknowledged. Slabs are used again: a batch costs no allocation.
type slab struct {
	lane    *Lane
	shard   string
	records []kgo.Record
	offsets []pipeline.Offset // where each record came from
	firsts  []int             // records whose topic is not that of the one before
	left    atomic.Int32      // records that are not acknowledged
	promise func(*kgo.Record, error)
}

// slabs are those of a lane. Safe for concurrent use.
type slabs struct {
	mu   sync.Mutex
	free []*slab // they wait for their next use
	all  []*slab
	// topics are those that took records: a partition that did, until the client is
	// known to have taken note of the topic, and noted from then on.
	topics map[string]int32
	fresh  bool // one of topics is not noted
}

// topicNoted stands for the partition of a topic that the client has taken note of.
const topicNoted = -1

// take gives a slab, the one that was used last if there is one.
func (s *slabs) take(l *Lane) *slab {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.free) - 1
	if last < 0 {
		fresh := &slab{lane: l}
		fresh.promise = fresh.acknowledged
		s.all = append(s.all, fresh)
		return fresh
	}
	taken := s.free[last]
	s.free = s.free[:last]
	return taken
}

// waiting gives the topics of the batches that are not acknowledged, sorted. No
// Write may be under way.
func (s *slabs) waiting() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	topics := map[string]bool{}
	for _, used := range s.all {
		if used.left.Load() == 0 {
			continue
		}
		for _, i := range used.firsts {
			topics[used.records[i].Topic] = true
		}
	}
	return slices.Sorted(maps.Keys(topics))
}

// give takes back a slab whose records are all acknowledged.
func (s *slabs) give(back *slab) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, back)
	for _, i := range back.firsts {
		r := &back.records[i]
		if _, known := s.topics[r.Topic]; known {
			continue
		}
		if s.topics == nil {
			s.topics = map[string]int32{}
		}
		s.topics[r.Topic], s.fresh = r.Partition, true
	}
}

// unnoted gives the topics that are not known to be noted, each with a partition
// that took a record.
func (s *slabs) unnoted() map[string]int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fresh {
		return nil
	}
	found := map[string]int32{}
	for topic, partition := range s.topics {
		if partition != topicNoted {
			found[topic] = partition
		}
	}
	s.fresh = len(found) > 0
	return found
}

// note remembers that the client has taken note of a topic.
func (s *slabs) note(topic string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.topics[topic] = topicNoted
}

// acknowledged is the promise of each record: it keeps the first refusal of the
// transaction.
func (s *slab) acknowledged(r *kgo.Record, err error) {
	if err != nil {
		if r.Partition == none {
			err = noPartition(r.Topic)
		}
		s.lane.failed.CompareAndSwap(nil, &failure{topic: r.Topic, shard: s.shard, offset: s.offset(r), ours: true, err: err})
	}
	if s.left.Add(-1) == 0 {
		s.lane.slabs.give(s)
	}
}

// offset gives the source's offset of a record of the slab.
func (s *slab) offset(r *kgo.Record) pipeline.Offset {
	for i := range s.records {
		if &s.records[i] == r {
			return s.offsets[i]
		}
	}
	return pipeline.Offset{}
}

// fill makes a Kafka record of each record that leaves.
func (s *slab) fill(b *pipeline.Batch, now time.Time) {
	l := s.lane
	s.shard = b.Shard
	if cap(s.records) < len(b.Records) {
		s.records = make([]kgo.Record, 0, len(b.Records))
		s.offsets = make([]pipeline.Offset, 0, len(b.Records))
	}
	s.records, s.offsets, s.firsts = s.records[:0], s.offsets[:0], s.firsts[:0]
	for i := range b.Records {
		r := &b.Records[i]
		switch r.Fate {
		case pipeline.Deliver:
			s.records = append(s.records, kgo.Record{
				Key: r.Key, Value: r.Value.Raw(), Headers: headers(r.Headers), Timestamp: r.Time, Topic: r.Topic,
				Partition: r.Partition(),
			})
		case pipeline.DeadLettered:
			s.records = append(s.records, l.deadLetter(b, r, now))
		default:
			continue
		}
		last := &s.records[len(s.records)-1]
		if last.Topic == "" {
			last.Topic = l.sink.settings.Topic
		}
		if last.Timestamp.IsZero() {
			last.Timestamp = now
		}
		if n := len(s.records) - 1; n == 0 || s.records[n-1].Topic != last.Topic {
			s.firsts = append(s.firsts, n)
		}
		s.offsets = append(s.offsets, r.Offset)
	}
}

func headers(in []pipeline.Header) []kgo.RecordHeader {
	if len(in) == 0 {
		return nil
	}
	out := make([]kgo.RecordHeader, len(in))
	for i, h := range in {
		out[i] = kgo.RecordHeader{Key: h.Key, Value: h.Value}
	}
	return out
}
