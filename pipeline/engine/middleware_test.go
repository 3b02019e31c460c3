package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/sony/gobreaker"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// breaker is Watermill's circuit breaker, which opens after so many failures in a row.
func breaker(failures uint32, open time.Duration) message.HandlerMiddleware {
	return middleware.NewCircuitBreaker(gobreaker.Settings{Timeout: open, ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= failures }}).Middleware
}

// TestMiddlewaresLoseNothing: Watermill's own, around stages that fail, hang and
// panic, over lanes that fail.
func TestMiddlewaresLoseNothing(t *testing.T) {
	eachSeed(t, func(r *rig, d *dice) {
		r.cfg.Middlewares = []message.HandlerMiddleware{
			middleware.NewThrottle(1, 3*time.Millisecond).Middleware, breaker(2, 100*time.Millisecond), middleware.Recoverer, middleware.Timeout(50 * time.Millisecond),
		}
		hangs := apply(func(ctx context.Context, _ *pipeline.Batch) error {
			if d.one(20) {
				<-ctx.Done()
			}
			return ctx.Err()
		})
		r.sink.commit = func(context.Context, *entry) (bool, error) { return true, d.fails(20, "committing") }
		remembers := &memory{watch: r.watch, before: chaos(d)}
		r.cfg.Stages = []engine.Stage{{Name: "hangs", Transform: hangs}, {Name: "memory", Transform: remembers}}
		r.chaosRun("a", "b")
	})
}

func TestThrottle(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Middlewares = []message.HandlerMiddleware{middleware.NewThrottle(10, time.Second).Middleware}
		r.source.fill("a", 200) // 20 batches
		r.source.seal("a")
		began := time.Now()
		if err := r.run(); err != nil {
			r.Error(err)
		}
		if took := time.Since(began); took < 2*time.Second || took > 3*time.Second {
			r.Errorf("20 batches took %v", took)
		}
		r.complete("a")
	})
}

// TestThrottleStops: what is under way is delivered, and nothing more is read.
func TestThrottleStops(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Middlewares = []message.HandlerMiddleware{middleware.NewThrottle(1, time.Second).Middleware}
		r.source.fill("a", 1000)
		stop := r.start()
		r.until("something is delivered", func() bool { return len(r.sink.got("a")) > 0 })
		if err := stop(); err != nil {
			r.Error(err)
		}
		if n := len(r.sink.got("a")); n != r.source.wasRead("a") || n > 150 {
			r.Errorf("delivered %d of %d that were read", n, r.source.wasRead("a"))
		}
	})
}

// TestTimeoutBoundsTransforms: their context ends, and the batch comes again.
func TestTimeoutBoundsTransforms(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Middlewares = []message.HandlerMiddleware{middleware.Timeout(5 * time.Second)}
		var hung atomic.Int64
		r.cfg.Stages = []engine.Stage{{Name: "hangs", Transform: apply(func(ctx context.Context, b *pipeline.Batch) error {
			if b.After.Offset.Minor != 30 || hung.Add(1) > 2 {
				return nil
			}
			began := time.Now()
			<-ctx.Done()
			if took := time.Since(began); took != 5*time.Second || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				r.Errorf("the context ended after %v: %v", took, ctx.Err())
			}
			return ctx.Err()
		})}}
		r.source.fill("a", 100)
		r.source.seal("a")
		if err := r.run(); err != nil {
			r.Error(err)
		}
		r.complete("a")
		if hung.Load() != 3 {
			r.Errorf("it hung %d times", hung.Load())
		}
	})
}

// TestCircuitBreaker: while it is open the transform is left alone, the state says so,
// and nothing is lost.
func TestCircuitBreaker(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Middlewares = []message.HandlerMiddleware{breaker(2, time.Minute)}
		var calls atomic.Int64
		mends := time.Now().Add(10 * time.Second)
		r.cfg.Stages = []engine.Stage{{Name: "away", Transform: apply(func(context.Context, *pipeline.Batch) error {
			calls.Add(1)
			if time.Now().Before(mends) {
				return errors.New("away")
			}
			return nil
		})}}
		r.source.fill("a", 100)
		r.source.seal("a")
		stop := r.start()
		r.until("it is open", func() bool { return strings.Contains(r.engine.State().Reason, "circuit breaker is open") })
		before := calls.Load()
		pause(r.Context(), 30*time.Second)
		if n := calls.Load(); n != before {
			r.Errorf("%d calls while it was open", n-before)
		}
		r.until("all is delivered", func() bool { return len(r.sink.got("a")) == 100 })
		if err := stop(); err != nil {
			r.Error(err)
		}
		r.complete("a")
	})
}

// TestCircuitBreakerCloses: it lets one batch through, and no other batch of that shard
// or another one keeps that from passing, though all wait for their turns.
func TestCircuitBreakerCloses(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Middlewares = []message.HandlerMiddleware{breaker(5, 2*time.Second)}
		mends := time.Now().Add(10 * time.Second)
		away := &memory{watch: r.watch, before: func(ctx context.Context, _ *pipeline.Batch) error {
			pause(ctx, 5*time.Millisecond)
			if time.Now().Before(mends) {
				return errors.New("away")
			}
			return ctx.Err()
		}}
		r.cfg.Stages = []engine.Stage{{Name: "away", Transform: away}}
		for _, shard := range []string{"a", "b"} {
			r.source.fill(shard, 1000)
			r.source.seal(shard)
		}
		if err := r.run(); err != nil {
			r.Error(err)
		}
		if took := time.Since(mends); took > 8*time.Second {
			r.Errorf("all was delivered %v after it was mended", took)
		}
		r.complete("a", "b")
	})
}

// TestCircuitBreakerCounts failures, and not the batches that are given up with one.
func TestCircuitBreakerCounts(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Middlewares = []message.HandlerMiddleware{breaker(3, time.Minute)}
		var failures atomic.Int64
		r.cfg.Stages = []engine.Stage{{Name: "fails", Transform: &memory{watch: r.watch, before: func(ctx context.Context, b *pipeline.Batch) error {
			pause(ctx, 5*time.Millisecond)
			if b.After.Offset.Minor == 500 && failures.Add(1) <= 2 {
				return errors.New("it fails twice")
			}
			return ctx.Err()
		}}}}
		r.source.fill("a", 1000)
		r.source.seal("a")
		began := time.Now()
		if err := r.run(); err != nil {
			r.Error(err)
		}
		if took := time.Since(began); took > 10*time.Second || failures.Load() != 3 {
			r.Errorf("it took %v, and the batch was tried %d times", took, failures.Load())
		}
		r.complete("a")
	})
}

// TestMiddlewaresKeepTheirContract: what one of them does to a batch, the engine
// notices, and no record goes to the sink that has not been through the stages.
func TestMiddlewaresKeepTheirContract(t *testing.T) {
	fails := errors.New("the transform has failed")
	for name, c := range map[string]struct {
		middleware message.HandlerMiddleware
		transform  error
		want       string // in the error of Run; "": the batch only comes again
	}{
		"does not call next": {func(message.HandlerFunc) message.HandlerFunc {
			return func(*message.Message) ([]*message.Message, error) { return nil, nil }
		}, nil, "without having called next"},
		"calls next twice": {middleware.Duplicator, nil, "called next a second time"},
		"takes the context away": {func(next message.HandlerFunc) message.HandlerFunc {
			return func(m *message.Message) ([]*message.Message, error) {
				m.SetContext(context.Background())
				return next(m)
			}
		}, nil, "a message without the batch"},
		"replaces the message": {func(next message.HandlerFunc) message.HandlerFunc {
			return func(*message.Message) ([]*message.Message, error) { return next(message.NewMessage("", nil)) }
		}, nil, "a message without the batch"},
		"repeats": {middleware.Retry{MaxRetries: 1}.Middleware, fails, "called next a second time"},
		"hides an error": {func(next message.HandlerFunc) message.HandlerFunc {
			return func(m *message.Message) ([]*message.Message, error) {
				next(m) //nolint:errcheck // that is what is tried
				return nil, nil
			}
		}, fails, ""},
		"acks": {middleware.InstantAck, nil, ""},
		"panics": {func(next message.HandlerFunc) message.HandlerFunc {
			var panicked atomic.Bool
			return func(m *message.Message) ([]*message.Message, error) {
				if panicked.CompareAndSwap(false, true) {
					panic("SECRET")
				}
				return next(m)
			}
		}, nil, ""},
		"would hide a panic": {func(next message.HandlerFunc) message.HandlerFunc {
			return func(m *message.Message) ([]*message.Message, error) {
				defer func() { _ = recover() }()
				return next(m)
			}
		}, errPanics, ""},
		"returns before the stages": {func(next message.HandlerFunc) message.HandlerFunc {
			return func(m *message.Message) ([]*message.Message, error) {
				go next(m) //nolint:errcheck // as above
				pause(m.Context(), time.Millisecond)
				return nil, errors.New("it took too long")
			}
		}, nil, "halted"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				var tries atomic.Int64
				r.cfg.Middlewares = []message.HandlerMiddleware{c.middleware}
				r.cfg.Stages = []engine.Stage{{Name: "stage", Transform: apply(func(ctx context.Context, b *pipeline.Batch) error {
					pause(ctx, 10*time.Millisecond)
					_ = b.Records[0].Value.Raw() // nobody else has the batch meanwhile
					switch {
					case tries.Add(1) > 3 && c.want == "halted":
						return &pipeline.Error{Class: pipeline.Permanent, What: "halted"}
					case tries.Load() > 3:
						return nil
					case errors.Is(c.transform, errPanics):
						panic("SECRET")
					}
					return c.transform
				})}}
				r.source.fill("a", 30)
				r.source.seal("a")
				if c.want == "halted" {
					stop := r.start()
					r.until("it tried often", func() bool { return tries.Load() > 2 })
					if err := stop(); err != nil {
						r.Error(err)
					}
					return
				}
				err := r.run()
				if c.want == "" {
					if err != nil {
						r.Error(err)
					}
					r.complete("a")
					return
				}
				if err == nil || !strings.Contains(err.Error(), c.want) || pipeline.ClassOf(err) != pipeline.Permanent {
					r.Errorf("ended with %v", err)
				}
				if got := r.sink.got("a"); len(got) > 0 {
					r.Errorf("delivered %q", got)
				}
			})
		})
	}
}

var errPanics = errors.New("panics")
