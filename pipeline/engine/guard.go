package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/penstock-io/penstock/pipeline"
)

// panicError is the error of a component that panicked: nobody knows in which state
// it is.
type panicError struct{ what *pipeline.Error }

func (p panicError) Error() string { return p.what.Error() }

func (p panicError) Unwrap() error { return p.what }

func isPanic(err error) bool {
	_, ok := errors.AsType[panicError](err)
	return ok
}

// recovered is deferred: it makes an error of a panic of who. The stack is logged
// once as long as the trouble lasts that it makes. What a panic says may hold a
// payload.
func (t *task) recovered(who string, err *error, troubles ...string) {
	p := recover()
	if p == nil {
		return
	}
	if !slices.ContainsFunc(troubles, t.state.has) {
		t.cfg.Log.Error(who+" panicked", "stack", string(debug.Stack()))
	}
	*err = panicError{&pipeline.Error{Class: pipeline.Retryable, What: fmt.Sprintf("%s panicked (%T)", who, p), Do: "the log has the stack; please report it"}}
}

// guardedSource turns the panics of a source into errors, and lets the tasks call it
// one at a time.
type guardedSource struct {
	pipeline.Source
	task *task
}

func (s guardedSource) Shards(ctx context.Context) (names []string, err error) {
	defer s.task.recovered("the source", &err, laneTrouble, sourceTrouble)
	if err := s.task.ask(ctx); err != nil {
		return nil, err
	}
	defer s.task.asked()
	return s.Source.Shards(ctx)
}

func (s guardedSource) Open(ctx context.Context, req pipeline.OpenRequest) (r pipeline.Reader, err error) {
	defer s.task.recovered("the source", &err, laneTrouble, sourceTrouble)
	if err := s.task.ask(ctx); err != nil {
		return nil, err
	}
	defer s.task.asked()
	if r, err = s.Source.Open(ctx, req); err != nil {
		return nil, err
	}
	return guardedReader{r, s.task, "the source, on shard " + req.Shard, req.Shard}, nil
}

// guardedReader turns the panics of a reader into errors.
type guardedReader struct {
	pipeline.Reader
	task  *task
	who   string
	shard string
}

func (r guardedReader) Wait(ctx context.Context) (err error) {
	defer r.task.recovered(r.who, &err, batchTrouble+r.shard)
	return r.Reader.Wait(ctx)
}

func (r guardedReader) Read(ctx context.Context, b *pipeline.Batch, limit pipeline.Limit) (err error) {
	defer r.task.recovered(r.who, &err, batchTrouble+r.shard)
	return r.Reader.Read(ctx, b, limit)
}

func (r guardedReader) Rewind(p pipeline.Position) (err error) {
	defer r.task.recovered(r.who, &err, batchTrouble+r.shard)
	return r.Reader.Rewind(p)
}

func (r guardedReader) Settle(ctx context.Context, p pipeline.Position) (err error) {
	defer r.task.recovered(r.who, &err, settleTrouble+r.shard)
	return r.Reader.Settle(ctx, p)
}

func (r guardedReader) Tail(ctx context.Context) (p pipeline.Position, err error) {
	defer r.task.recovered(r.who, &err, laneTrouble)
	return r.Reader.Tail(ctx)
}

func (r guardedReader) Lag(ctx context.Context) (n int64, err error) {
	defer r.task.recovered(r.who, &err, sourceTrouble)
	return r.Reader.Lag(ctx)
}
