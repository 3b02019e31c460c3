package server

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// Maker makes pipelines out of their text. Who runs a server gives it one that knows the
// components there are. Its methods may be called at once.
type Maker interface {
	// Parse reads a file and checks all that can be checked without its servers; remote
	// tells of text that came over the network, which may name less than a file may.
	// Errors: config.Errors, with every mistake and its place.
	Parse(ctx context.Context, file config.File, remote bool) ([]*config.Pipeline, error)
	// Make makes a pipeline that can run. It connects to nobody.
	Make(p *config.Pipeline) (*Job, error)
	// Components gives what there is to make pipelines of.
	Components() []Component
	// Explain gives what there is to say of a pipeline, for JSON: guarantee, order, way.
	Explain(p *config.Pipeline) (any, error)
}

// Component is something that pipelines are made of.
type Component struct {
	Name    string `json:"name" doc:"As files name it."`
	Kind    string `json:"kind" enum:"source,transform,format,sink" doc:"What it is."`
	Doc     string `json:"doc" doc:"What it does, and its settings."`
	Example string `json:"example" doc:"How it is written."`
}

// Job is a pipeline that can run, once.
type Job struct {
	Route   string // "redis_list → kafka"
	Engine  *engine.Engine
	Source  pipeline.Source
	Sink    pipeline.Sink
	Topics  []string       // that it writes to, where its text names them
	Plugins []PluginStatus // programs that do transforms
	// Figures are those of its transforms, for Prometheus.
	Figures []prometheus.Collector
	// Run runs the engine and tells in the log how that ended. Errors as engine.Run's.
	Run func(ctx context.Context) error
	// Close frees what it has. It follows Run, or comes in its place.
	Close func()
}

// PluginStatus is a program that does a transform of a pipeline.
type PluginStatus struct {
	Pipeline  string `json:"pipeline" doc:"Whose."`
	Transform string `json:"transform" doc:"Where: transforms[0].plugin."`
	Plugin    string `json:"plugin" doc:"The program."`
}

// takes names what the source takes away.
func (j *Job) takes() []pipeline.TakenAway {
	if taker, ok := j.Source.(pipeline.Taker); ok {
		return taker.Takes()
	}
	return nil
}

// pingPatience is how long the servers of a pipeline may take to answer.
const pingPatience = 10 * time.Second

// ping sees that the servers of source and sink answer.
func (j *Job) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	var errs []error
	for _, end := range []any{j.Source, j.Sink} {
		if pinger, ok := end.(pipeline.Pinger); ok {
			errs = append(errs, pinger.Ping(ctx))
		}
	}
	return errors.Join(errs...)
}

// run is a job that was begun.
type run struct {
	job    *Job
	cancel context.CancelFunc
	halted atomic.Bool   // it was told to end
	ended  chan struct{} // closed when it has, and job is closed
	err    error         // why; valid once ended is closed
	at     time.Time     // when; valid once ended is closed
}

// begin runs a job. The caller halts it.
func begin(job *Job) *run {
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{job: job, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		r.err = job.Run(ctx)
		job.Close()
		r.at = time.Now()
	}()
	return r
}

// failed is a run that has never begun.
func failed(err error) *run {
	r := &run{cancel: func() {}, ended: make(chan struct{}), err: err, at: time.Now()}
	close(r.ended)
	return r
}

// halt has a run settle what is under way, and returns when it has ended; nil has.
func (r *run) halt() {
	if r != nil {
		r.halted.Store(true)
		r.cancel()
		<-r.ended
	}
}

// over tells whether it has ended.
func (r *run) over() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// startPatience is how long it is looked whether a run has started.
const startPatience = 15 * time.Second

// starts returns when a run does what it is for, or waits for something; the error is why
// it has ended instead.
func (r *run) starts(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for r.job.Engine.State().Name == engine.Starting {
		select {
		case <-r.ended:
			return r.err
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
	if r.over() {
		return r.err
	}
	return nil
}
