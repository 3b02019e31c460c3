package cli

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/sony/gobreaker"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// middlewaresOf makes the middlewares of a pipeline, which are Watermill's.
func middlewaresOf(p *config.Pipeline) []message.HandlerMiddleware {
	var all []message.HandlerMiddleware
	for i, m := range p.Middleware {
		at := fmt.Sprintf("middleware[%d].", i)
		switch {
		case m.Throttle != nil:
			all = append(all, middleware.NewThrottle(int64(m.Throttle.Batches), m.Throttle.Per).Middleware)
		case m.Breaker != nil:
			all = append(all, circuitBreaker(at+"circuit_breaker", *m.Breaker))
		default:
			all = append(all, timeout(at+"timeout", m.Timeout))
		}
	}
	return all
}

// circuitBreaker counts batches that fail. While it is open its errors say why it is.
func circuitBreaker(at string, c config.CircuitBreaker) message.HandlerMiddleware {
	breaker := middleware.NewCircuitBreaker(gobreaker.Settings{
		Timeout:     c.Open,
		ReadyToTrip: func(n gobreaker.Counts) bool { return int64(n.ConsecutiveFailures) >= int64(c.Failures) },
	})
	var last atomic.Pointer[error] // of a batch
	return func(next message.HandlerFunc) message.HandlerFunc {
		guarded := breaker.Middleware(func(msg *message.Message) ([]*message.Message, error) {
			out, err := next(msg)
			if err != nil {
				last.Store(&err)
			}
			return out, err
		})
		return func(msg *message.Message) ([]*message.Message, error) {
			out, err := guarded(msg)
			why := last.Load()
			if why != nil && (errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)) {
				err = &pipeline.Error{Class: pipeline.Retryable, What: fmt.Sprintf("%s is open, and lets one batch through every %v", at, c.Open), Err: *why}
			}
			return out, err
		}
	}
}

// timeout bounds a batch, and says so in the error of one that took longer.
func timeout(at string, most time.Duration) message.HandlerMiddleware {
	return func(next message.HandlerFunc) message.HandlerFunc {
		bounded := middleware.Timeout(most)(next)
		return func(msg *message.Message) ([]*message.Message, error) {
			began := time.Now()
			out, err := bounded(msg)
			if errors.Is(err, context.DeadlineExceeded) && time.Since(began) >= most {
				err = &pipeline.Error{Class: pipeline.Retryable, What: fmt.Sprintf("%s: a batch took longer than %v", at, most), Err: err,
					Do: "raise it, or make batches smaller; what rate_limit and delay make a batch wait counts"}
			}
			return out, err
		}
	}
}

// middlewareStops tells what the middlewares do, for explain.
func middlewareStops(p *config.Pipeline) []stop {
	var stops []stop
	for i, m := range p.Middleware {
		at := func(name string) string { return fmt.Sprintf("middleware[%d].%s", i, name) }
		switch {
		case m.Throttle != nil:
			stops = append(stops, stop{at("throttle"), fmt.Sprintf("a batch begins every %v at most", m.Throttle.Per/time.Duration(m.Throttle.Batches))})
		case m.Breaker != nil:
			stops = append(stops, stop{at("circuit_breaker"), fmt.Sprintf("opens for %v after %d failed batches in a row", m.Breaker.Open, m.Breaker.Failures)})
		default:
			stops = append(stops, stop{at("timeout"), fmt.Sprintf("a batch that takes longer than %v fails, and comes again", m.Timeout)})
		}
	}
	return stops
}
