package cli

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// TestMiddlewaresSayWhy: the error of a batch that a middleware ends names the middleware,
// what to do about it, and what failed before.
func TestMiddlewaresSayWhy(t *testing.T) {
	failed := errors.New("Redis does not answer")
	for name, c := range map[string]struct {
		middleware config.Middleware
		next       message.HandlerFunc
		want       []string // in the errors of the batches, one after the other
	}{
		"timeout": {config.Middleware{Timeout: time.Second}, func(m *message.Message) ([]*message.Message, error) {
			<-m.Context().Done()
			return nil, m.Context().Err()
		}, []string{"middleware[0].timeout: a batch took longer than 1s: context deadline exceeded; raise it, or make batches smaller"}},
		"a deadline of a transform's own": {config.Middleware{Timeout: time.Second}, func(*message.Message) ([]*message.Message, error) {
			return nil, context.DeadlineExceeded
		}, []string{"context deadline exceeded"}},
		"circuit breaker": {config.Middleware{Breaker: &config.CircuitBreaker{Failures: 2, Open: time.Minute}}, func(*message.Message) ([]*message.Message, error) {
			return nil, failed
		}, []string{"Redis does not answer", "Redis does not answer", "middleware[0].circuit_breaker is open, and lets one batch through every 1m0s: Redis does not answer"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				handle := middlewaresOf(&config.Pipeline{Middleware: []config.Middleware{c.middleware}})[0](c.next)
				for _, want := range c.want {
					msg := message.NewMessage("", nil)
					msg.SetContext(t.Context())
					if _, err := handle(msg); err == nil || !strings.HasPrefix(err.Error(), want) || pipeline.ClassOf(err) != pipeline.Retryable {
						t.Errorf("got %v, want %s", err, want)
					}
				}
			})
		})
	}
}
