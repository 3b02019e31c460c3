package conform

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// These are the subtests of a source that gives a record only when the one before it
// is settled.

func (s *sourceSuite) settle(r pipeline.Reader, p pipeline.Position) {
	s.Helper()
	if err := r.Settle(s.Context(), p); err != nil {
		s.Fatalf("Settle: %v", err)
	}
}

// one checks that the next record is value number n, and gives the position after
// it. It is not settled.
func (s *sourceSuite) one(r pipeline.Reader, n int) pipeline.Position {
	s.Helper()
	got, after := s.reads(r, roomy, 1)
	if !slices.Equal(got, s.values[n:n+1]) {
		s.Errorf("read %q, want %q", got, s.values[n])
	}
	return after[0]
}

func (s *sourceSuite) rewindsOne() {
	r := s.open(pipeline.OpenRequest{First: true})
	before := r.Start()
	for n := range s.values {
		after := s.one(r, n)
		for _, p := range []pipeline.Position{after, before} { // to nothing, to the one
			if err := r.Rewind(p); err != nil {
				s.Fatal(err)
			}
		}
		if again := s.one(r, n); again != after {
			s.Errorf("the record came with %+v, and again with %+v", after, again)
		}
		s.settle(r, after)
		before = after
	}
}

func (s *sourceSuite) removesNotOne() {
	for range 3 {
		r := s.open(pipeline.OpenRequest{})
		s.one(r, 0)
		s.close(r)
	}
}

func (s *sourceSuite) givesOne() {
	r := s.open(pipeline.OpenRequest{First: true})
	for n := range s.values {
		after := s.one(r, n)
		ctx, cancel := context.WithTimeout(s.Context(), 20*time.Millisecond)
		if err := r.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("Wait before record number %d is settled: %v", n, err)
		}
		cancel()
		s.settle(r, after)
		s.settle(r, after) // positions may come twice
	}
}
