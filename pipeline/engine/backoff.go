package engine

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

const (
	backoffFirst = 50 * time.Millisecond
	backoffCap   = 2 * time.Second
	// backoffForgets is how long something must go well to start small again.
	backoffForgets = 10 * time.Second
)

// backoff doubles from try to try, up to a cap, with a little chance in it.
type backoff struct{ last time.Duration }

func newBackoff() backoff { return backoff{} }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, backoffFirst), backoffCap)
	return b.last + rand.N(b.last/4) //nolint:gosec // chance, not secrecy
}

// pause is pipeline.Pause for transforms: what is held when reading ends is given up.
func (s *session) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.reading.Done():
		return pipeline.ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sleep is false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
