//go:build broken

package cli

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/transforms"
)

// brokenEnv says what this binary does without; packages engine and kafka look there too:
//
//	no_fence                a lane fences nobody (kafka)
//	no_ticket               batches do not wait for those before them (engine)
//	trim_before_commit      Redis is cleaned up before the commit
//	dedupe_before_delivery  dedupe remembers a key for good before its carrier is delivered
//	nothing                 it keeps all promises
//
// With no_ticket and with nothing some batches take longer than others: those after them
// overtake them where no ticket holds them back.
const brokenEnv = "PENSTOCK_BROKEN"

func broken(cfg engine.Config) engine.Config {
	switch os.Getenv(brokenEnv) {
	case "no_ticket", "nothing":
		cfg.Middlewares = append(slices.Clone(cfg.Middlewares), uneven)
	case "trim_before_commit":
		readers := &sync.Map{}
		cfg.Source, cfg.Sink = earlySource{cfg.Source, readers}, earlySink{cfg.Sink, readers}
	case "dedupe_before_delivery":
		cfg.Stages = slices.Clone(cfg.Stages)
		for i, stage := range cfg.Stages {
			if _, dedupes := stage.Transform.(*transforms.Dedupe); dedupes {
				cfg.Stages[i].Transform = &earlyDedupe{seed: maphash.MakeSeed(), seen: map[uint64]bool{}}
			}
		}
	}
	return cfg
}

// uneven takes up to 200 ms for a batch, as a transform may that asks a server.
func uneven(next message.HandlerFunc) message.HandlerFunc {
	return func(msg *message.Message) ([]*message.Message, error) {
		select {
		case <-time.After(rand.N(200 * time.Millisecond)):
			return next(msg)
		case <-msg.Context().Done():
			return nil, msg.Context().Err()
		}
	}
}

// earlySource keeps its readers by shard.
type earlySource struct {
	pipeline.Source
	readers *sync.Map
}

func (s earlySource) Open(ctx context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	r, err := s.Source.Open(ctx, req)
	if err == nil {
		s.readers.Store(req.Shard, r)
	}
	return r, err
}

type earlySink struct {
	pipeline.Sink
	readers *sync.Map
}

func (s earlySink) Open(ctx context.Context, id pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	l, positions, err := s.Sink.Open(ctx, id)
	return earlyLane{l, s.readers}, positions, err
}

// earlyLane settles, and commits then.
type earlyLane struct {
	pipeline.Lane
	readers *sync.Map
}

func (l earlyLane) Commit(ctx context.Context, positions map[string]pipeline.Position) error {
	for shard, p := range positions {
		if r, ok := l.readers.Load(shard); ok {
			if err := r.(pipeline.Reader).Settle(ctx, p); err != nil {
				return err
			}
		}
	}
	return l.Lane.Commit(ctx, positions)
}

// earlyDedupe marks the values it has seen, as most do.
type earlyDedupe struct {
	seed maphash.Seed
	mu   sync.Mutex
	seen map[uint64]bool
}

func (d *earlyDedupe) Apply(_ context.Context, b *pipeline.Batch) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for r := range b.Live {
		sum := maphash.Bytes(d.seed, r.Value.Raw())
		if d.seen[sum] {
			r.Fate = pipeline.Duplicate
		}
		d.seen[sum] = true
	}
	return nil
}
