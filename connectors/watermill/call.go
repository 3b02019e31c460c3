package watermill

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/penstock-io/penstock/pipeline"
)

var errClosed = errors.New("the reader or lane is closed")

// call is a call that takes no context, in a goroutine of its own: whoever waits
// for it may give up, and another may wait for it later.
type call[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// begin begins a call. all waits for it in the end. A panic is an error of the
// call: it would end the process.
func begin[T any](all *sync.WaitGroup, what string, f func() (T, error)) *call[T] {
	c := &call[T]{done: make(chan struct{})}
	all.Go(func() {
		defer close(c.done)
		defer func() {
			if p := recover(); p != nil {
				c.err = &pipeline.Error{Class: pipeline.Retryable, What: fmt.Sprintf("%s panicked (%T)", what, p)}
			}
		}()
		c.value, c.err = f()
	})
	return c
}

// wait gives the result, unless ctx ends or closed is closed before.
func (c *call[T]) wait(ctx context.Context, closed <-chan struct{}) (none T, err error) {
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-closed:
		return none, errClosed
	}
}

// over tells whether the call has returned.
func (c *call[T]) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}
