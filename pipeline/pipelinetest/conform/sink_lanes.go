package conform

import (
	"context"
	"maps"

	"github.com/penstock-io/penstock/pipeline"
)

// These are the subtests of a sink that has several lanes, one after the other or at
// once, of one instance or of several: rule 8.

// openLane opens one lane of several, for the instance that most subtests are of.
func (s *sinkSuite) openLane(pipe string, number, lanes int) (pipeline.Lane, map[string]pipeline.Position) {
	s.Helper()
	return s.openFor(s.sink, pipeline.LaneID{Pipeline: pipe, Lane: number, Lanes: lanes, Instance: "conform"})
}

// openFor opens a lane of a sink; it is closed with the test, if not before.
func (s *sinkSuite) openFor(sink pipeline.Sink, id pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position) {
	s.Helper()
	l, positions, err := sink.Open(s.Context(), id)
	if err != nil {
		s.Fatalf("Open of lane %d of %d for %s: %v", id.Lane, id.Lanes, id.Instance, err)
	}
	s.Cleanup(func() { l.Close(context.Background()) }) //nolint:errcheck // tried in other subtests
	return l, positions
}

// another gives the sink as another process would have it, where the case can make it.
func (s *sinkSuite) another() pipeline.Sink {
	s.Helper()
	if s.c.Reopen == nil {
		return s.sink
	}
	sink := s.c.Reopen(s.T, s.sink)
	s.closesWithTest(sink)
	return sink
}

// ended checks that a lane can commit nothing any more, as it must not once another
// has been opened.
func (s *sinkSuite) ended(l pipeline.Lane, what string) {
	s.Helper()
	err := within(s.T, "Commit", func() error { return l.Commit(s.Context(), map[string]pipeline.Position{"a": position(99)}) })
	if err == nil {
		s.Errorf("%s commits", what)
	}
}

func (s *sinkSuite) newLane() {
	old, _ := s.open("p")
	s.write(old, values("a", "1"))
	s.commit(old, map[string]pipeline.Position{"a": position(1)})
	s.write(old, values("a", "lost")) // under way when the new one comes
	rival, got := s.open("p")
	if s.c.Positions && got["a"] != position(1) {
		s.Errorf("the new lane has the positions %+v", got)
	}
	if err := old.Commit(s.Context(), map[string]pipeline.Position{"a": position(2)}); err == nil {
		s.Error("the old lane commits")
	}
	s.write(rival, values("a", "2"))
	s.commit(rival, map[string]pipeline.Position{"a": position(3)})
	s.holds("of two lanes", "1", "2")
	if _, got := s.open("p"); s.c.Positions && got["a"] != position(3) {
		s.Errorf("positions are %+v", got)
	}
}

// anotherInstance: it has fewer lanes, then more, and whatever their numbers are, it is
// enough that it opens one.
func (s *sinkSuite) anotherInstance() {
	first := pipeline.LaneID{Pipeline: "p", Lane: 0, Lanes: 2, Instance: "first"}
	one, _ := s.openFor(s.sink, first)
	first.Lane = 1
	two, _ := s.openFor(s.sink, first)
	s.write(one, values("a", "1"))
	s.commit(one, map[string]pipeline.Position{"a": position(1)})
	s.write(two, values("b", "2"))
	s.commit(two, map[string]pipeline.Position{"b": position(1)})
	s.write(one, values("a", "lost")) // under way when the other instance comes
	s.write(two, values("b", "lost"))

	fewer, got := s.openFor(s.another(), pipeline.LaneID{Pipeline: "p", Lane: 0, Lanes: 1, Instance: "second"})
	if want := map[string]pipeline.Position{"a": position(1), "b": position(1)}; !maps.Equal(got, want) {
		s.Errorf("the second instance has the positions %+v, want those of both lanes: %+v", got, want)
	}
	s.ended(two, "lane 1 of 2, after another instance has opened 0 of 1,")
	s.ended(one, "lane 0 of 2, after another instance has opened 0 of 1,")
	s.write(fewer, values("b", "3"))
	s.commit(fewer, map[string]pipeline.Position{"a": position(2), "b": position(2)})
	s.write(fewer, values("b", "lost"))

	more, _ := s.openFor(s.another(), pipeline.LaneID{Pipeline: "p", Lane: 2, Lanes: 3, Instance: "third"})
	s.ended(fewer, "lane 0 of 1, after another instance has opened 2 of 3,")
	s.write(more, values("b", "4"))
	s.commit(more, map[string]pipeline.Position{"b": position(3)})
	s.holds("of three instances", "1", "2", "3", "4")
	want := map[string]pipeline.Position{"a": position(2), "b": position(3)}
	if _, got := s.openFor(s.another(), pipeline.LaneID{Pipeline: "p", Lane: 0, Lanes: 1, Instance: "fourth"}); !maps.Equal(got, want) {
		s.Errorf("positions are %+v, want %+v", got, want)
	}
}

// outlives: positions are with the records, and not in the memory of whoever wrote them.
func (s *sinkSuite) outlives() {
	l, _ := s.open("p")
	s.write(l, values("a", "1"), values("b", "2"))
	want := map[string]pipeline.Position{"a": position(1), "b": position(1)}
	s.commit(l, want)
	if err := l.Close(s.Context()); err != nil {
		s.Errorf("Close: %v", err)
	}
	if err := s.sink.Close(); err != nil {
		s.Error(err)
	}
	again, got := s.openFor(s.another(), pipeline.LaneID{Pipeline: "p", Lanes: 1, Instance: "conform, started again"})
	if !maps.Equal(got, want) {
		s.Errorf("after another start positions are %+v, want %+v", got, want)
	}
	s.write(again, values("a", "3"))
	s.commit(again, map[string]pipeline.Position{"a": position(2)})
	s.holds("of two starts", "1", "2", "3")
}

// twoLanes: the lanes of one instance, each with shards of its own.
func (s *sinkSuite) twoLanes() {
	one, _ := s.openLane("p", 0, 2)
	two, _ := s.openLane("p", 1, 2)
	s.write(two, values("b", "1"))
	s.write(one, values("a", "2"))
	s.commit(two, map[string]pipeline.Position{"b": position(1)})
	s.commit(one, map[string]pipeline.Position{"a": position(1)})
	if got := s.delivered(s.T); len(got) != 2 {
		s.Errorf("of two lanes: delivered are %q", got)
	}
	if err := one.Close(s.Context()); err != nil {
		s.Errorf("Close: %v", err)
	}
	again, got := s.openLane("p", 0, 2)
	if want := map[string]pipeline.Position{"a": position(1), "b": position(1)}; s.c.Positions && !maps.Equal(got, want) {
		s.Errorf("positions are %+v, want those of both lanes: %+v", got, want)
	}
	s.write(two, values("b", "3"))
	s.commit(two, map[string]pipeline.Position{"b": position(2)}) // the other's opening has not ended it
	s.write(again, values("a", "4"))
	s.commit(again, map[string]pipeline.Position{"a": position(2)})
	if got := s.delivered(s.T); len(got) != 4 {
		s.Errorf("after one was opened again: delivered are %q", got)
	}
}
