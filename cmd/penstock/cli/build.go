package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/transforms"
)

// runSettings say how pipelines run, whatever their files say.
type runSettings struct {
	untilDrained bool
	patience     time.Duration
	shutdown     time.Duration
}

// check finds durations that are none.
func (s runSettings) check() error {
	return errors.Join(notNegative("--patience", s.patience), notNegative("--shutdown", s.shutdown))
}

func notNegative(flag string, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%s %v is less than nothing; write a duration like 30s", flag, d)
	}
	return nil
}

// built is a pipeline that can run, with what is to be closed after it.
type built struct {
	name     string
	instance string // of this process, as a rival would name it
	route    string // "redis_list → kafka"
	engine   *engine.Engine
	source   pipeline.Source
	sink     pipeline.Sink
	lease    *redis.Lease // nil: there is none
	letters  letterPlace  // nil: the sink keeps dead letters, or there are none
	memories []namedMemory
	plugins  []namedPlugin
	closers  []io.Closer // of the stages
}

func (b *built) close() {
	closeAll(b.closers)
	b.source.Close() //nolint:errcheck // the process ends, and nothing depends on it
	b.sink.Close()   //nolint:errcheck // as above
	if b.lease != nil {
		b.lease.Close() //nolint:errcheck // as above
	}
	if b.letters != nil {
		b.letters.Close() //nolint:errcheck // as above
	}
}

// build makes a pipeline from its file. It connects to nobody.
func (c Components) build(p *config.Pipeline, env Environment, run runSettings) (*built, error) {
	env.DrainOnce, env.Delivery, env.Pipeline, env.Instance = run.untilDrained, p.Delivery, p.Name, instance()
	env.DeadLetters, env.Source, env.Log = sinkLetters(p), p.Source.Component, env.Log.With("pipeline", p.Name)
	stages, err := c.stages(p, env)
	if err != nil {
		return nil, err
	}
	if env.Tracer != nil {
		stages.stages = slices.Insert(stages.stages, 0, engine.Stage{Name: "trace", Transform: transforms.NewTrace(env.Tracer, p.Name)})
	}
	source, err := c.source(p).build(env, p.Source.Settings)
	if err != nil {
		return nil, invalid{fmt.Errorf("%s: %w", p.Source.At, err)}
	}
	to := c.sink(p)
	sink, err := to.build(env, p.Sink.Settings)
	if err != nil {
		return nil, invalid{fmt.Errorf("%s: %w", p.Sink.At, err)}
	}
	lease, err := c.lease(p, env)
	if err != nil {
		return nil, invalid{fmt.Errorf("%s: %w", p.At, err)}
	}
	letters, err := c.letters(p, env)
	if err != nil {
		return nil, invalid{fmt.Errorf("%s: %w", p.At, err)}
	}
	cfg := engine.Config{
		Name: p.Name, Instance: env.Instance, Source: source, Stages: stages.stages, Middlewares: middlewaresOf(p), Sink: sink,
		SourceKeepsPosition: !to.Positions,
		OnSinkError:         policy(p.OnError),
		GiveUp:              giveUp(p.OnError),
		Tasks:               p.Tasks,
		Batch:               pipeline.Limit{Records: p.Source.Batch.Records, Bytes: int(p.Source.Batch.Bytes)},
		Window:              engine.Window{Batches: p.Window.Batches, Bytes: int(p.Window.Bytes)},
		CommitEvery:         p.Commit.Every, CommitRecords: p.Commit.Records,
		UntilDrained: run.untilDrained, Patience: run.patience, Shutdown: run.shutdown,
		Log: env.Log, At: points(),
	}
	if lease != nil {
		cfg.Lease = lease
	}
	if letters != nil {
		cfg.DeadLetters = letters
	}
	return &built{name: p.Name, instance: env.Instance, route: p.Source.Component + " → " + p.Sink.Component,
		source: source, sink: sink, lease: lease, letters: letters, memories: stages.memories, plugins: stages.plugins, closers: stages.closers, engine: engine.New(broken(cfg))}, nil
}

// instance names this process and start, to people and to rivals.
func instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8])
}
