package cli

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
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
	memories []namedMemory
}

func (b *built) close() {
	b.source.Close() //nolint:errcheck // the process ends, and nothing depends on it
	b.sink.Close()   //nolint:errcheck // as above
}

// build makes a pipeline from its file. It connects to nobody.
func build(p *config.Pipeline, s surroundings, run runSettings) (*built, error) {
	s.drainOnce, s.delivery, s.instance = run.untilDrained, p.Delivery, instance()
	s.log = s.log.With("pipeline", p.Name)
	stages, err := stagesOf(p, s)
	if err != nil {
		return nil, err
	}
	source, err := sourceKindOf(p).build(s, p.Source.Settings)
	if err != nil {
		return nil, invalid{fmt.Errorf("%s: %w", p.Source.At, err)}
	}
	to := sinkKindOf(p)
	sink, err := to.build(s, p.Sink.Settings, deadLetterTopic(p))
	if err != nil {
		return nil, invalid{fmt.Errorf("%s: %w", p.Sink.At, err)}
	}
	me, route := s.instance, p.Source.Component+" → "+p.Sink.Component
	return &built{name: p.Name, instance: me, route: route, source: source, sink: sink, memories: stages.memories, engine: engine.New(engine.Config{
		Name: p.Name, Instance: me, Source: source, Stages: stages.stages, Middlewares: middlewaresOf(p), Sink: sink,
		SourceKeepsPosition: !to.positions,
		OnSinkError:         policy(p.OnError),
		Batch:               pipeline.Limit{Records: p.Source.Batch.Records, Bytes: int(p.Source.Batch.Bytes)},
		Window:              engine.Window{Batches: p.Window.Batches, Bytes: int(p.Window.Bytes)},
		CommitEvery:         p.Commit.Every, CommitRecords: p.Commit.Records,
		UntilDrained: run.untilDrained, Patience: run.patience, Shutdown: run.shutdown,
		Log: s.log, At: points(),
	})}, nil
}

// The file was validated, so each of these finds one.

func sourceKindOf(p *config.Pipeline) sourceKind {
	k := pick(sources(), func(k sourceKind) bool { return k.Name == p.Source.Component })
	if k.with != nil {
		k = k.with(p.Source.Settings, k)
	}
	return k
}

func transformKindOf(step config.Step) transformKind {
	return pick(transformKinds(), func(k transformKind) bool { return k.Name == step.Component })
}

func sinkKindOf(p *config.Pipeline) sinkKind {
	k := pick(sinks(), func(k sinkKind) bool { return k.Name == p.Sink.Component })
	if k.weaker != nil && p.Delivery < k.Best {
		k = k.weaker(k)
	}
	return k
}

func pick[T any](from []T, fits func(T) bool) T { return from[slices.IndexFunc(from, fits)] }

// instance names this process and start, to people and to rivals.
func instance() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8])
}
