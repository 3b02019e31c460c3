package conform

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// TransformCase is what Transform needs to know of a transform.
type TransformCase struct {
	// Fresh makes one that has seen nothing.
	Fresh func(t *testing.T) pipeline.Transform
	// Fill adds at least two records to a batch, those that the transform meets in
	// earnest, and the same at each call; the suite gives them offsets.
	Fill func(b *pipeline.Batch)
}

// Transform checks a transform against the rules of package pipeline. What comes
// after a batch that was given up is checked of those that are Ordered.
func Transform(t *testing.T, c TransformCase) {
	t.Helper()
	b := &pipeline.Batch{}
	if c.Fill(b); len(b.Records) < 2 {
		t.Fatalf("the case fills in %d records; let it be two at least", len(b.Records))
	}
	for name, test := range transformTests() {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			test(&transformSuite{T: t, fresh: c.Fresh, fill: c.Fill})
		})
	}
}

// transformTests are the subtests, by name.
func transformTests() map[string]func(s *transformSuite) {
	return map[string]func(s *transformSuite){
		"leaves every record in the batch":   (*transformSuite).leavesAll,
		"leaves decided records alone":       (*transformSuite).leavesDecided,
		"takes an empty batch":               (*transformSuite).takesEmpty,
		"keeps no bytes of a batch":          (*transformSuite).keepsNothing,
		"takes shards at once":               (*transformSuite).takesShardsAtOnce,
		"returns when its context has ended": (*transformSuite).returns,
		"takes again what was given up":      (*transformSuite).takesAgain,
		"leaves no goroutine":                (*transformSuite).leavesNoGoroutine,
	}
}

// transformSuite is one subtest.
type transformSuite struct {
	*testing.T
	fresh func(t *testing.T) pipeline.Transform
	fill  func(b *pipeline.Batch)
}

// batch makes a batch with records from offset 1 on.
func (s *transformSuite) batch(shard string) *pipeline.Batch {
	b := &pipeline.Batch{Shard: shard}
	s.fill(b)
	for i := range b.Records {
		b.Records[i].Offset.Minor = uint64(i) + 1
	}
	b.Read = len(b.Records)
	b.After = pipeline.Position{Incarnation: "conform", Offset: pipeline.Offset{Minor: uint64(b.Read)}}
	return b
}

func apply(t *testing.T, tr pipeline.Transform, b *pipeline.Batch) {
	t.Helper()
	if err := within(t, "Apply", func() error { return tr.Apply(t.Context(), b) }); err != nil {
		t.Fatal(err)
	}
}

// show gives all of a record that a transform may change, in bytes of its own.
func show(r *pipeline.Record) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%v %s key=%q value=%q topic=%q partition=%d fate=%d", r.Offset, r.Time, r.Key, r.Value.Raw(), r.Topic, r.Partition(), r.Fate)
	for _, h := range r.Headers {
		fmt.Fprintf(&out, " %s=%q", h.Key, h.Value)
	}
	if r.Failure != nil {
		fmt.Fprintf(&out, " failure=%v", r.Failure.Err)
	}
	return out.String()
}

func showAll(b *pipeline.Batch) []string {
	out := make([]string, len(b.Records))
	for i := range b.Records {
		out[i] = show(&b.Records[i])
	}
	return out
}

func offsets(b *pipeline.Batch) []uint64 {
	var all []uint64
	for i := range b.Records {
		all = append(all, b.Records[i].Offset.Minor)
	}
	return all
}

// leavesAll: each record is still there, or several that were made of it.
func (s *transformSuite) leavesAll() {
	before, b := s.batch("a"), s.batch("a")
	apply(s.T, s.fresh(s.T), b)
	if b.Shard != before.Shard || b.After != before.After || b.Read != before.Read {
		s.Errorf("shard %s, after %+v, read %d", b.Shard, b.After, b.Read)
	}
	if got, want := slices.Compact(offsets(b)), offsets(before); !slices.Equal(got, want) {
		s.Fatalf("records of the offsets %v are left, in this order, of %v", got, want)
	}
	for i := range b.Records {
		r := &b.Records[i]
		came := &before.Records[r.Offset.Minor-1]
		switch r.Fate {
		case pipeline.Deliver, pipeline.Filtered, pipeline.Duplicate, pipeline.Dropped:
		case pipeline.Failed:
			checkFailure(s.T, r, string(came.Value.Raw()))
		default:
			s.Errorf("record %d has fate %d, which is the engine's to give", i, r.Fate)
		}
	}
}

// checkFailure: an error says why, without the payload.
func checkFailure(t *testing.T, r *pipeline.Record, value string) {
	t.Helper()
	if r.Failure == nil || r.Failure.Err == nil || r.Failure.Err.Error() == "" {
		t.Errorf("the record at %v failed, and nothing says why", r.Offset)
	} else if len(value) > 8 && strings.Contains(r.Failure.Err.Error(), value) {
		t.Errorf("the error of the record at %v holds its value", r.Offset)
	}
}

func (s *transformSuite) leavesDecided() {
	for _, fate := range []pipeline.Fate{pipeline.Filtered, pipeline.Duplicate, pipeline.Dropped, pipeline.DeadLettered, pipeline.SetAside} {
		before, b := s.batch("a"), s.batch("a")
		for i := range b.Records {
			before.Records[i].Fate, b.Records[i].Fate = fate, fate
		}
		apply(s.T, s.fresh(s.T), b)
		if got, want := showAll(b), showAll(before); !slices.Equal(got, want) {
			s.Errorf("fate %d:\n got %q\nwant %q", fate, got, want)
		}
	}
}

func (s *transformSuite) takesEmpty() {
	b := &pipeline.Batch{Shard: "a"}
	if apply(s.T, s.fresh(s.T), b); len(b.Records) > 0 {
		s.Errorf("made %d records of none", len(b.Records))
	}
}

// keepsNothing overwrites a batch after Apply, as the engine does when it uses
// it again.
func (s *transformSuite) keepsNothing() {
	used, unused := s.fresh(s.T), s.fresh(s.T)
	first, calm := s.batch("a"), s.batch("a")
	apply(s.T, used, first)
	apply(s.T, unused, calm)
	for i := range first.Records {
		r := &first.Records[i]
		overwrite(r.Key, r.Value.Raw())
		for _, h := range r.Headers {
			overwrite(h.Value)
		}
	}
	first.Reset()
	overwrite(first.Arena.Alloc(64 << 10)[:64<<10])
	second, want := s.batch("b"), s.batch("b")
	apply(s.T, used, second)
	apply(s.T, unused, want)
	if got, want := showAll(second), showAll(want); !slices.Equal(got, want) {
		s.Errorf("after a batch that was overwritten:\n got %q\nwant %q", got, want)
	}
}

func overwrite(all ...[]byte) {
	for _, b := range all {
		for i := range b {
			b[i] = '#'
		}
	}
}

// takesShardsAtOnce is for the race detector first of all: a transform that
// remembers may give the shards different fates, and all records but for those.
func (s *transformSuite) takesShardsAtOnce() {
	tr := s.fresh(s.T)
	_, ordered := tr.(pipeline.Ordered)
	calm := s.batch("shard 0")
	apply(s.T, s.fresh(s.T), calm)
	want := showAll(calm)
	var all sync.WaitGroup
	for n := range 8 {
		b := s.batch(fmt.Sprintf("shard %d", n))
		all.Go(func() {
			if err := tr.Apply(s.Context(), b); err != nil {
				s.Error(err)
			}
			if got := showAll(b); !ordered && !slices.Equal(got, want) || len(got) != len(want) {
				s.Errorf("%s:\n got %q\nwant %q", b.Shard, got, want)
			}
		})
	}
	all.Wait()
}

// returns: the context ends before Apply, and while it is under way.
func (s *transformSuite) returns() {
	for _, before := range []bool{true, false} {
		ctx, cancel := context.WithCancel(s.Context())
		if before {
			cancel()
		}
		returns(s.T, "Apply", func(started func()) {
			started()
			s.fresh(s.T).Apply(ctx, s.batch("a")) //nolint:errcheck // it may have been done before it looked
		}, cancel)
	}
}

// takesAgain: a batch that was given up comes again and meets the same, and one
// that was settled is told to the transform.
func (s *transformSuite) takesAgain() {
	tr, ordered := s.fresh(s.T).(pipeline.Ordered)
	if !ordered {
		return
	}
	tr.GivenUp("a") // before anything
	first, again := s.batch("a"), s.batch("a")
	apply(s.T, tr, first)
	tr.GivenUp("a")
	apply(s.T, tr, again)
	if got, want := showAll(again), showAll(first); !slices.Equal(got, want) {
		s.Errorf("what was given up:\n got %q\nwant %q", got, want)
	}
	tr.Settled(again)
	tr.GivenUp("a")
}

// leavesNoGoroutine: a transform has no Close, so nothing of it may run on by itself.
func (s *transformSuite) leavesNoGoroutine() {
	apply(s.T, s.fresh(s.T), s.batch("a"))
}
