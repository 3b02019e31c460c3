package pipeline

import (
	"context"
	"errors"
	"time"
)

// ErrStopping is what Pause says when the pipeline is to stop: a transform returns it, the
// batch is given up, and comes again at the next start.
var ErrStopping = errors.New("the pipeline stops")

type pauseKey struct{}

// Pause is how a transform waits while it holds a batch back. It returns nil after d, or
// at once where there is nothing to wait for (in a test of a pipeline, in a preview);
// else ErrStopping, or the error of ctx, which is the one that Apply was given.
func Pause(ctx context.Context, d time.Duration) error {
	if pause, ok := ctx.Value(pauseKey{}).(func(context.Context, time.Duration) error); ok {
		return pause(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WithPause says what Pause does for those who are given the context. It is for who calls
// transforms.
func WithPause(ctx context.Context, pause func(ctx context.Context, d time.Duration) error) context.Context {
	return context.WithValue(ctx, pauseKey{}, pause)
}
