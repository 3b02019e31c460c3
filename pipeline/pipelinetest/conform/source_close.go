package conform

import (
	"context"
	"errors"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// The subtests of a source about how it ends.

func (s *sourceSuite) closed() {
	r := s.open(pipeline.OpenRequest{First: true})
	after := s.singly(r, 1)
	s.close(r)
	s.close(r)
	ctx := s.Context()
	_, tail := r.Tail(ctx)
	_, lag := r.Lag(ctx)
	for name, err := range map[string]error{
		"Wait": r.Wait(ctx), "Read": r.Read(ctx, &pipeline.Batch{}, roomy), "Rewind": r.Rewind(after[0]),
		"Settle": r.Settle(ctx, after[0]), "Tail": tail, "Lag": lag,
	} {
		if err == nil || errors.Is(err, pipeline.ErrEnd) {
			s.Errorf("%s after Close: %v", name, err)
		}
	}
}

func (s *sourceSuite) closeWhileWaiting() {
	r := s.open(pipeline.OpenRequest{First: true})
	s.reads(r, roomy, len(s.values))
	returns(s.T, "Wait", func(started func()) {
		started()
		if err := r.Wait(s.Context()); err == nil {
			s.Error("Wait found something")
		}
	}, func() { s.close(r) })
}

func (s *sourceSuite) contextWhileWaiting() {
	r := s.open(pipeline.OpenRequest{First: true})
	s.reads(r, roomy, len(s.values))
	ctx, cancel := context.WithCancel(s.Context())
	returns(s.T, "Wait", func(started func()) {
		started()
		if err := r.Wait(ctx); err == nil {
			s.Error("Wait found something")
		}
	}, cancel)
}

// leavesNoGoroutine uses all there is to use; leavesNothing looks afterwards.
func (s *sourceSuite) leavesNoGoroutine() {
	r := s.open(pipeline.OpenRequest{First: true})
	if err := r.Rewind(s.singly(r, 1)[0]); err != nil {
		s.Fatal(err)
	}
	_, after := s.reads(r, roomy, len(s.values))
	if err := r.Settle(s.Context(), after[len(after)-1]); err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Millisecond)
	defer cancel()
	if err := within(s.T, "Wait", func() error { return r.Wait(ctx) }); err == nil {
		s.Error("Wait found something")
	}
}

func (s *sourceSuite) closesTwice() {
	shard := s.shard()
	for range 2 {
		if err := s.source.Close(); err != nil {
			s.Error(err)
		}
	}
	if r, err := s.source.Open(s.Context(), pipeline.OpenRequest{Shard: shard}); err == nil {
		s.close(r)
		s.Error("a closed source opens a reader")
	}
}
