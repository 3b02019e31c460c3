package conform

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// SinkCase is what Sink needs to know of a sink.
type SinkCase struct {
	// Fresh makes a sink with nothing in it, for each subtest, and a function that
	// gives the values that were delivered there, in order, as somebody sees them
	// who sees only what is committed.
	Fresh func(t *testing.T) (sink pipeline.Sink, delivered func(t *testing.T) []string)
	// Positions: the sink stores positions.
	Positions bool
	// Reopen makes another value of a sink that Fresh has made, on the same store and
	// with nothing else in common, as another process would have it; nil: the suite
	// takes the one of Fresh for all, and cannot tell whether positions outlive it.
	Reopen func(t *testing.T, sink pipeline.Sink) pipeline.Sink
	// Early: what is written may be delivered before its Commit, and by a lane that
	// another has taken over: at least once.
	Early bool
}

// Sink checks a sink and its lanes against the rules of package pipeline. The suite
// closes what it makes, before what Fresh leaves to t.Cleanup.
func Sink(t *testing.T, c SinkCase) {
	t.Helper()
	tests := sinkTests()
	if c.Early {
		delete(tests, "Close gives up what is not committed")
		delete(tests, "a new lane ends the earlier one")
	}
	if !c.Positions {
		delete(tests, "another instance ends all earlier lanes")
	}
	if !c.Positions || c.Reopen == nil {
		delete(tests, "positions outlive the sink")
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			sink, delivered := c.Fresh(t)
			s := &sinkSuite{T: t, c: c, sink: sink, delivered: delivered}
			s.closesWithTest(sink)
			test(s)
		})
	}
}

// sinkTests are the subtests, by name.
func sinkTests() map[string]func(s *sinkSuite) {
	return map[string]func(s *sinkSuite){
		"delivers at Commit, in order":            (*sinkSuite).deliversAtCommit,
		"delivers by fate":                        (*sinkSuite).deliversByFate,
		"commits nothing":                         (*sinkSuite).commitsNothing,
		"stores positions":                        (*sinkSuite).storesPositions,
		"Close gives up what is not committed":    (*sinkSuite).closeGivesUp,
		"a new lane ends the earlier one":         (*sinkSuite).newLane,
		"another instance ends all earlier lanes": (*sinkSuite).anotherInstance,
		"positions outlive the sink":              (*sinkSuite).outlives,
		"lanes leave each other alone":            (*sinkSuite).twoLanes,
		"pipelines do not share positions":        (*sinkSuite).ownPositions,
		"Check is called beside everything":       (*sinkSuite).checkBeside,
		"Close beside Commit: both return":        (*sinkSuite).closeBesideCommit,
		"closes twice":                            (*sinkSuite).closesTwice,
		"batches are used again after a Commit":   (*sinkSuite).reusesBatches,
		"leaves no goroutine":                     (*sinkSuite).leavesNoGoroutine,
	}
}

// sinkSuite is one subtest.
type sinkSuite struct {
	*testing.T
	c         SinkCase
	sink      pipeline.Sink
	delivered func(t *testing.T) []string
}

func (s *sinkSuite) closesWithTest(sink pipeline.Sink) {
	s.Cleanup(func() {
		if err := sink.Close(); err != nil {
			s.Error(err)
		}
	})
}

// open opens the lane of a pipeline; it is closed with the test, if not before.
func (s *sinkSuite) open(pipe string) (pipeline.Lane, map[string]pipeline.Position) {
	s.Helper()
	return s.openLane(pipe, 0, 1)
}

// position is one with everything in it.
func position(n uint64) pipeline.Position {
	return pipeline.Position{
		Incarnation: "life", Offset: pipeline.Offset{Major: n, Minor: n},
		Evidence: pipeline.Evidence{Hash: fmt.Sprintf("%040x", n), Added: n, EntriesAdded: n + 1, ReplicationID: "replica"},
	}
}

func values(shard string, values ...string) *pipeline.Batch {
	b := &pipeline.Batch{Shard: shard}
	for i, v := range values {
		r := b.Add()
		r.Value, r.Original = pipeline.RawValue([]byte(v)), []byte(v)
		r.Offset = pipeline.Offset{Minor: uint64(i) + 1}
	}
	b.Read, b.After = len(values), position(uint64(len(values)))
	return b
}

// write writes batches.
func (s *sinkSuite) write(l pipeline.Lane, batches ...*pipeline.Batch) {
	s.Helper()
	for _, b := range batches {
		if err := within(s.T, "Write", func() error { return l.Write(s.Context(), b) }); err != nil {
			s.Fatalf("Write: %v", err)
		}
	}
}

func (s *sinkSuite) commit(l pipeline.Lane, positions map[string]pipeline.Position) {
	s.Helper()
	if err := within(s.T, "Commit", func() error { return l.Commit(s.Context(), positions) }); err != nil {
		s.Fatalf("Commit: %v", err)
	}
}

// holds checks what was delivered.
func (s *sinkSuite) holds(what string, want ...string) {
	s.Helper()
	if got := s.delivered(s.T); !slices.Equal(got, want) {
		s.Errorf("%s: delivered are %q, want %q", what, got, want)
	}
}

func (s *sinkSuite) deliversAtCommit() {
	l, _ := s.open("p")
	s.write(l, values("a", "1", "2"), values("b", "3"), values("a", "4"))
	if !s.c.Early {
		s.holds("before the commit")
	}
	s.commit(l, map[string]pipeline.Position{"a": position(3), "b": position(1)})
	s.holds("after it", "1", "2", "3", "4")
	s.write(l, values("b", "5"))
	if !s.c.Early {
		s.holds("before the next one", "1", "2", "3", "4")
	}
	s.commit(l, map[string]pipeline.Position{"b": position(2)})
	s.holds("after it", "1", "2", "3", "4", "5")
}

func (s *sinkSuite) deliversByFate() {
	l, _ := s.open("p")
	b := values("a", "filtered", "1", "duplicate", "dropped", "2")
	b.Records[0].Fate, b.Records[2].Fate, b.Records[3].Fate = pipeline.Filtered, pipeline.Duplicate, pipeline.Dropped
	none := values("a", "filtered")
	none.Records[0].Fate = pipeline.Filtered
	s.write(l, b, none)
	s.commit(l, map[string]pipeline.Position{"a": position(6)})
	s.holds("of all fates", "1", "2")
}

func (s *sinkSuite) commitsNothing() {
	l, _ := s.open("p")
	s.commit(l, map[string]pipeline.Position{"a": position(1)}) // where a shard starts
	s.commit(l, map[string]pipeline.Position{})
	s.holds("of nothing")
}

func (s *sinkSuite) storesPositions() {
	l, first := s.open("p")
	if len(first) > 0 {
		s.Errorf("a fresh sink has the positions %v", first)
	}
	s.write(l, values("a", "1"), values("b{x}:y", "2"))
	s.commit(l, map[string]pipeline.Position{"a": position(1), "b{x}:y": position(1)})
	s.commit(l, map[string]pipeline.Position{"a": position(5)})
	want := map[string]pipeline.Position{"a": position(5), "b{x}:y": position(1)}
	if !s.c.Positions {
		want = nil
	}
	if _, got := s.open("p"); !maps.Equal(got, want) {
		s.Errorf("positions are %+v, want %+v", got, want)
	}
}

func (s *sinkSuite) closeGivesUp() {
	l, _ := s.open("p")
	s.write(l, values("a", "1"))
	s.commit(l, map[string]pipeline.Position{"a": position(1)})
	s.write(l, values("a", "given up"))
	for range 2 {
		if err := l.Close(s.Context()); err != nil {
			s.Errorf("Close: %v", err)
		}
	}
	returns(s.T, "Write and Commit after Close", func(started func()) {
		started()
		l.Write(s.Context(), values("a", "given up")) //nolint:errcheck // the commit is what counts
		if err := l.Commit(s.Context(), map[string]pipeline.Position{"a": position(2)}); err == nil {
			s.Error("a closed lane commits")
		}
	}, func() {})
	s.holds("after Close", "1")
	if _, got := s.open("p"); s.c.Positions && got["a"] != position(1) {
		s.Errorf("positions are %+v", got)
	}
	s.holds("after the next opening", "1")
}

func (s *sinkSuite) ownPositions() {
	one, _ := s.open("one")
	other, got := s.open("other")
	if len(got) > 0 {
		s.Errorf("another pipeline has the positions %+v", got)
	}
	s.commit(one, map[string]pipeline.Position{"a": position(1)}) // it is not fenced
	s.commit(other, map[string]pipeline.Position{"a": position(7)})
	want := map[string]pipeline.Position{"a": position(1)}
	if !s.c.Positions {
		want = nil
	}
	if _, got := s.open("one"); !maps.Equal(got, want) {
		s.Errorf("positions are %+v, want %+v", got, want)
	}
}

func (s *sinkSuite) checkBeside() {
	l, _ := s.open("p")
	r := &values("a", "checked").Records[0]
	returns(s.T, "Check", func(started func()) {
		started()
		for range 1000 {
			if err := l.Check(r); err != nil {
				s.Errorf("Check: %v", err)
				return
			}
		}
	}, func() {
		for range 10 {
			s.write(l, values("a", "x"))
			s.commit(l, map[string]pipeline.Position{"a": position(1)})
		}
	})
}

func (s *sinkSuite) closeBesideCommit() {
	l, _ := s.open("p")
	s.write(l, values("a", "1"))
	returns(s.T, "Commit", func(started func()) {
		started()
		l.Commit(s.Context(), map[string]pipeline.Position{"a": position(1)}) //nolint:errcheck // either is right
	}, func() {
		if err := l.Close(s.Context()); err != nil {
			s.Errorf("Close: %v", err)
		}
	})
	// The positions are the truth about it.
	_, got := s.open("p")
	if n := len(s.delivered(s.T)); s.c.Positions && (n == 1) != (got["a"] == position(1)) || n > 1 {
		s.Errorf("delivered %d records, positions %+v", n, got)
	}
}

func (s *sinkSuite) closesTwice() {
	for range 2 {
		if err := s.sink.Close(); err != nil {
			s.Error(err)
		}
	}
}

func (s *sinkSuite) reusesBatches() {
	l, _ := s.open("p")
	b := values("a", "1", "2")
	var want []string
	for n := range 5 {
		s.write(l, b)
		s.commit(l, map[string]pipeline.Position{"a": position(uint64(n))})
		for i := range b.Records {
			want = append(want, string(b.Records[i].Value.Raw()))
		}
		b.Reset()
		for i := range n + 1 {
			r := b.Add()
			r.Value = pipeline.RawValue(b.Arena.Copy(fmt.Appendf(nil, "round %d, %d", n, i)))
		}
		b.Shard = "a"
	}
	s.holds("of a batch that comes again", want...)
}

// leavesNoGoroutine uses all there is to use; leavesNothing looks afterwards.
func (s *sinkSuite) leavesNoGoroutine() {
	l, _ := s.open("p")
	s.write(l, values("a", "1"))
	s.commit(l, map[string]pipeline.Position{"a": position(1)})
	s.write(l, values("a", "given up"))
	other, _ := s.open("other")
	if err := other.Close(s.Context()); err != nil {
		s.Errorf("Close: %v", err)
	}
}
