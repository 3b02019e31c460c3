package cli

import (
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/sony/gobreaker"

	"github.com/penstock-io/penstock/pipeline/config"
)

// middlewaresOf makes the middlewares of a pipeline, which are Watermill's.
func middlewaresOf(p *config.Pipeline) []message.HandlerMiddleware {
	var all []message.HandlerMiddleware
	for _, m := range p.Middleware {
		switch {
		case m.Throttle != nil:
			all = append(all, middleware.NewThrottle(int64(m.Throttle.Batches), m.Throttle.Per).Middleware)
		case m.Breaker != nil:
			all = append(all, circuitBreaker(*m.Breaker))
		default:
			all = append(all, middleware.Timeout(m.Timeout))
		}
	}
	return all
}

// circuitBreaker counts batches that fail, and those that are given up with them: where
// a server is away, most are.
func circuitBreaker(c config.CircuitBreaker) message.HandlerMiddleware {
	return middleware.NewCircuitBreaker(gobreaker.Settings{
		Timeout:     c.Open,
		ReadyToTrip: func(n gobreaker.Counts) bool { return int64(n.ConsecutiveFailures) >= int64(c.Failures) },
	}).Middleware
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
