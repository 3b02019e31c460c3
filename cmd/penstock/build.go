package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// catalog lists the components for package config.
func catalog() *config.Catalog {
	c := &config.Catalog{}
	for _, s := range sources() {
		c.Sources = append(c.Sources, s.Component)
	}
	for _, s := range sinks() {
		c.Sinks = append(c.Sinks, s.Component)
	}
	return c
}

// built is a pipeline that can run, with what is to be closed after it.
type built struct {
	engine *engine.Engine
	source pipeline.Source
	sink   pipeline.Sink
}

func (b *built) close() {
	b.source.Close() //nolint:errcheck // the process ends, and nothing depends on it
	b.sink.Close()   //nolint:errcheck // as above
}

// build makes a pipeline from its file.
func build(p *config.Pipeline, s surroundings, run runSettings) (*built, error) {
	from := pick(sources(), func(k sourceKind) bool { return k.Name == p.Source.Component })
	to := pick(sinks(), func(k sinkKind) bool { return k.Name == p.Sink.Component })
	s.drainOnce = run.untilDrained
	source, err := from.build(s, p.Source.Settings)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Source.At, err)
	}
	sink, err := to.build(s, p.Sink.Settings, deadLetterTopic(p))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Sink.At, err)
	}
	return &built{source: source, sink: sink, engine: engine.New(engine.Config{
		Name: p.Name, Instance: instance(), Source: source, Sink: sink,
		SourceKeepsPosition: !to.positions,
		OnSinkError:         policy(p.OnError),
		Batch:               pipeline.Limit{Records: p.Source.Batch.Records, Bytes: int(p.Source.Batch.Bytes)},
		Window:              engine.Window{Batches: p.Window.Batches, Bytes: int(p.Window.Bytes)},
		CommitEvery:         p.Commit.Every, CommitRecords: p.Commit.Records,
		UntilDrained: run.untilDrained, Patience: run.patience, Shutdown: run.shutdown,
		Log: s.log.With("pipeline", p.Name), At: points(),
	})}, nil
}

// pick gives the first that fits; the file was validated, so there is one.
func pick[T any](from []T, fits func(T) bool) T { return from[slices.IndexFunc(from, fits)] }

func policy(o config.OnError) engine.Policy {
	switch o.Then {
	case "drop":
		return engine.Drop
	case "dead_letter":
		return engine.DeadLetter
	default:
		return engine.Halt
	}
}

// deadLetterTopic gives the topic of dead letters, empty where there is none.
func deadLetterTopic(p *config.Pipeline) string {
	if p.OnError.DeadLetter == nil {
		return ""
	}
	return p.OnError.DeadLetter.Kafka.Topic
}

// instance names this process and start, to people and to rivals.
func instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8])
}

// runSettings are the flags of run.
type runSettings struct {
	untilDrained  bool
	patience      time.Duration
	shutdown      time.Duration
	metricsListen string
}
