package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// Letters shows the dead letters of a pipeline in a topic, as its sink writes them. A
// topic forgets nothing of what was given back, so that is noted as offsets that a
// consumer group, penstock.dead-letters.<pipeline>, has committed: everything before one
// was, and in its metadata what was behind it. A letter's ID is partition-offset.
type Letters struct {
	topic, pipeline, group string

	opts   []kgo.Opt
	client *kgo.Client // for what is asked, and nothing read; nil: closed
	shown  map[int32]*shown
}

// shown is what the last Each has met of a partition.
type shown struct {
	marks
	letters []int64 // that were shown, in order
	end     int64   // behind the last record that was met
}

var _ pipeline.DeadLetterReader = (*Letters)(nil)

// lettersPatience is how long the next records of a topic may take to come.
const lettersPatience = 30 * time.Second

// NewLetters shows the dead letters of a pipeline. It connects to nobody yet; the caller
// closes it. Errors: Permanent, of files and settings.
func NewLetters(c Connection, topic, pipelineName string) (*Letters, error) {
	opts, err := c.options()
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "the Kafka client refuses its settings", Err: err}
	}
	return &Letters{topic: topic, pipeline: pipelineName, group: "penstock.dead-letters." + pipelineName, opts: opts, client: client}, nil
}

// Each reads each partition, read_committed, from what was given back up to the last
// stable offset there is now. Where there is no topic, there are no letters.
func (l *Letters) Each(ctx context.Context, yield func(pipeline.DeadLetter) bool) error {
	l.shown = map[int32]*shown{}
	ends, err := l.ends(ctx)
	if err != nil || len(ends) == 0 {
		return err
	}
	from := map[int32]kgo.Offset{}
	for partition, at := range l.shown {
		if at.next < ends[partition] {
			from[partition] = kgo.NewOffset().At(at.next)
		}
	}
	if len(from) == 0 {
		return nil
	}
	client, err := kgo.NewClient(append(slices.Clone(l.opts), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{l.topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(), kgo.FetchMaxBytes(8<<20))...)
	if err != nil {
		return err
	}
	defer client.Close()
	for left := len(from); left > 0; {
		waiting, cancel := context.WithTimeout(ctx, lettersPatience)
		fetches := client.PollFetches(waiting)
		cancel()
		if err := fetches.Err(); err != nil {
			return l.failed("reading", err)
		}
		for records := fetches.RecordIter(); !records.Done(); {
			r := records.Next()
			at, end := l.shown[r.Partition], ends[r.Partition]
			if r.Offset >= end || at.end >= end {
				continue
			}
			if at.end = r.Offset + 1; at.end == end {
				left--
			}
			letter, ok := l.letter(r)
			if !ok || at.has(r.Offset) {
				continue
			}
			at.letters = append(at.letters, r.Offset)
			if !yield(letter) {
				return nil
			}
		}
	}
	return nil
}

// ends gives the last stable offset of each partition, and fills l.shown with where what
// was not given back begins.
func (l *Letters) ends(ctx context.Context) (map[int32]int64, error) {
	ask := kadm.NewClient(l.client)
	stable, err := ask.ListCommittedOffsets(ctx, l.topic)
	if err != nil {
		return nil, l.failed("looking at", err)
	}
	starts, err := ask.ListStartOffsets(ctx, l.topic)
	if err != nil {
		return nil, l.failed("looking at", err)
	}
	var noted kadm.OffsetResponses
	err = patiently(ctx, func() (err error) {
		noted, err = ask.FetchOffsets(ctx, l.group)
		return err
	})
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, l.notNoted(err)
	}
	ends := map[int32]int64{}
	for _, end := range stable[l.topic] {
		if errors.Is(end.Err, kerr.UnknownTopicOrPartition) {
			continue
		}
		if end.Err != nil {
			return nil, l.failed("looking at", end.Err)
		}
		at := &shown{}
		if o, ok := noted.Lookup(l.topic, end.Partition); ok && o.At >= 0 {
			at.marks = marksIn(o.At, o.Metadata)
		}
		if start, ok := starts.Lookup(l.topic, end.Partition); ok {
			at.next = max(at.next, start.Offset)
		}
		at.end = at.next
		ends[end.Partition], l.shown[end.Partition] = end.Offset, at
	}
	return ends, nil
}

func (l *Letters) failed(doing string, err error) error {
	return denied(fmt.Errorf("%s topic %s: %w", doing, l.topic, err), "Read", l.topic)
}

// letter is the letter of a record, false where it is none, or not of the pipeline.
func (l *Letters) letter(r *kgo.Record) (pipeline.DeadLetter, bool) {
	letter := pipeline.DeadLetter{ID: fmt.Sprintf("%d-%d", r.Partition, r.Offset), Key: r.Key, Value: r.Value, Stamp: r.Timestamp}
	for _, h := range r.Headers {
		if !letter.Describe(h.Key, string(h.Value)) && !strings.HasPrefix(h.Key, connectPrefix) {
			letter.Headers = append(letter.Headers, pipeline.Header{Key: h.Key, Value: h.Value})
		}
	}
	return letter, !r.Attrs.IsControl() && letter.Pipeline == l.pipeline && letter.Stage != ""
}

// GivenBack notes letters, by the offsets that it commits.
func (l *Letters) GivenBack(ctx context.Context, ids []string) error {
	back := map[int32]map[int64]bool{}
	for _, id := range ids {
		partition, offset, ok := placeOf(id)
		if !ok || l.shown[partition] == nil {
			return &pipeline.Error{Class: pipeline.Permanent, What: id + " is no dead letter that was shown"}
		}
		if back[partition] == nil {
			back[partition] = map[int64]bool{}
		}
		back[partition][offset] = true
	}
	noted := kadm.Offsets{}
	for partition, offsets := range back {
		at := l.shown[partition]
		at.note(offsets)
		text, err := at.text()
		if err != nil {
			return err
		}
		noted.Add(kadm.Offset{Topic: l.topic, Partition: partition, At: at.next, LeaderEpoch: -1, Metadata: text})
	}
	err := patiently(ctx, func() error {
		done, err := kadm.NewClient(l.client).CommitOffsets(ctx, l.group, noted)
		if err == nil {
			err = done.Error()
		}
		return err
	})
	if err != nil {
		return l.notNoted(err)
	}
	return nil
}

// patiently asks again while the coordinator of a group is looked for: the first group
// of a cluster waits until its topic is made.
func patiently(ctx context.Context, ask func() error) error {
	for {
		if err := ask(); !kerr.IsRetriable(err) || !wait(ctx, 100*time.Millisecond) {
			return err
		}
	}
}

func (l *Letters) notNoted(err error) error {
	e := &pipeline.Error{Class: pipeline.Retryable, What: "group " + l.group + " notes what was given back", Err: err}
	if errors.Is(err, kerr.GroupAuthorizationFailed) {
		e.Do = "allow Read on Group " + l.group
	}
	return e
}

// note takes letters out of those that were shown.
func (s *shown) note(back map[int64]bool) {
	s.letters = slices.DeleteFunc(s.letters, func(offset int64) bool { return back[offset] })
	s.marks = marksOf(s.letters, s.next, s.end).followedBy(s.spans, s.end)
}

// placeOf reads partition-offset.
func placeOf(id string) (partition int32, offset int64, ok bool) {
	first, second, _ := strings.Cut(id, "-")
	n, err := strconv.ParseInt(first, 10, 32)
	offset, also := strconv.ParseInt(second, 10, 64)
	return int32(n), offset, err == nil && also == nil
}

// Close closes the connections. It may be called more than once.
func (l *Letters) Close() error {
	if l.client != nil {
		l.client.Close()
		l.client = nil
	}
	return nil
}
