package transforms

import (
	"context"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/penstock-io/penstock/pipeline"
)

// RateLimitSettings are the settings of rate_limit.
type RateLimitSettings struct {
	Records int           `yaml:"records" required:"true" min:"1" example:"1000" doc:"How many records may go on in the time of per. After a time without any, so many go on at once."`
	Per     time.Duration `yaml:"per" default:"1s" min:"1ms" doc:"The time."`
}

// RateLimit lets so many records go on in a time, of all shards together
// (golang.org/x/time/rate, a token bucket).
type RateLimit struct {
	limiter *rate.Limiter
	clock   pipeline.Clock
}

// NewRateLimit makes a limit. Its error is always nil.
func NewRateLimit(s RateLimitSettings, clock pipeline.Clock) (*RateLimit, error) {
	return &RateLimit{rate.NewLimiter(rate.Limit(float64(s.Records)/s.Per.Seconds()), s.Records), clock}, nil
}

// Apply holds the batch until its last record may go on. The error is that of
// pipeline.Pause: what the batch had been allowed is free again then.
func (l *RateLimit) Apply(ctx context.Context, b *pipeline.Batch) error {
	n := 0
	for range b.Live {
		n++
	}
	now := l.clock()
	var taken []*rate.Reservation
	for n > 0 {
		part := min(n, l.limiter.Burst())
		taken, n = append(taken, l.limiter.ReserveN(now, part)), n-part
	}
	if len(taken) == 0 {
		return nil
	}
	wait := taken[len(taken)-1].DelayFrom(now)
	if wait == 0 {
		return nil
	}
	err := pipeline.Pause(ctx, wait)
	if err != nil {
		for _, r := range slices.Backward(taken) {
			r.CancelAt(l.clock())
		}
	}
	return err
}
