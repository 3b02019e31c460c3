package main

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// leaders are a broker that is killed, or stopped for longer than the others wait for
// it, while it leads what matters: a partition of the topic, or the transactions.
func leaders(s sizes) []fault {
	all := []fault{{"kill -9 of a transaction coordinator", onCoordinator(killBroker)}}
	if s.short {
		return all
	}
	for range s.rounds {
		all = append(all,
			fault{"kill -9 of a leader", onLeader(killBroker)},
			fault{"SIGSTOP of a leader", onLeader(stopBroker)},
			fault{"SIGSTOP of a transaction coordinator", onCoordinator(stopBroker)})
	}
	return all
}

func onLeader(do func(context.Context, *run, *pipelinetest.Kafka) error) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		n, err := r.leader(ctx, r.any().name, r.chance.Int32N(4))
		if err != nil {
			return err
		}
		return do(ctx, r, r.kafka.Brokers[n])
	}
}

func onCoordinator(do func(context.Context, *run, *pipelinetest.Kafka) error) func(context.Context, *run) error {
	return func(ctx context.Context, r *run) error {
		n, err := r.coordinator(ctx, r.any().name)
		if err != nil {
			return err
		}
		return do(ctx, r, r.kafka.Brokers[n])
	}
}

// any is one of the pipelines.
func (r *run) any() *job { return r.jobs[r.chance.IntN(len(r.jobs))] }

// between waits for a time between two, by chance.
func (r *run) between(ctx context.Context, least, most time.Duration) error {
	return wait(ctx, least+time.Duration(r.chance.Int64N(int64(most-least))))
}

func killBroker(ctx context.Context, r *run, b *pipelinetest.Kafka) error {
	if err := b.Kill(); err != nil {
		return err
	}
	if err := r.between(ctx, 0, 3*time.Second); err != nil {
		return err
	}
	if err := b.Restart(ctx); err != nil {
		return err
	}
	return r.kafka.Settled(ctx)
}

// stopBroker lasts longer than the three seconds after which the others give it up: it
// wakes up as a leader that no longer is one.
func stopBroker(ctx context.Context, r *run, b *pipelinetest.Kafka) error {
	if err := b.Pause(); err != nil {
		return err
	}
	if err := r.between(ctx, 4*time.Second, 7*time.Second); err != nil {
		return err
	}
	if err := b.Resume(); err != nil {
		return err
	}
	return r.kafka.Settled(ctx)
}

// away is Kafka gone altogether, at full input.
func away(s sizes) []fault {
	return []fault{{fmt.Sprintf("Kafka away for %v", s.away), func(ctx context.Context, r *run) error {
		if err := r.each((*pipelinetest.Kafka).Kill); err != nil {
			return err
		}
		if err := wait(ctx, s.away); err != nil {
			return err
		}
		for _, j := range r.jobs {
			j.look()
		}
		if err := r.each(func(b *pipelinetest.Kafka) error { return b.Restart(ctx) }); err != nil {
			return err
		}
		return r.kafka.Settled(ctx)
	}}}
}

// memoryBound is for how much memory a pipeline may take while Kafka is away: the window
// of 64 MiB, what the runtime needs beside it, and room.
const memoryBound = 192

func withinBound(_ context.Context, _ *run, j *job) []string {
	if peak := j.peak() >> 20; peak > memoryBound {
		return []string{fmt.Sprintf("Penstock took %d MiB, and the bound is %d MiB", peak, memoryBound)}
	}
	return nil
}

// shortTimeout is that of transactions where Kafka is away for longer.
const shortTimeout = 2 * time.Second

// pastTimeout is Kafka out of reach for longer than the time-out of transactions: the
// coordinator aborts what is open, and fences its producer. First the network is gone,
// and the brokers go on; then the brokers stand still.
func pastTimeout(s sizes) []fault {
	var all []fault
	for range s.rounds {
		all = append(all,
			fault{fmt.Sprintf("connections half-open for %v", 3*shortTimeout), func(ctx context.Context, r *run) error {
				if err := r.fronted(halfOpen); err != nil {
					return err
				}
				if err := wait(ctx, 3*shortTimeout); err != nil {
					return err
				}
				return r.fronted(func(p *proxy) error { return p.heal(ctx) })
			}},
			fault{fmt.Sprintf("brokers stopped for %v", 3*shortTimeout), func(ctx context.Context, r *run) error {
				if err := r.each((*pipelinetest.Kafka).Pause); err != nil {
					return err
				}
				if err := wait(ctx, 3*shortTimeout); err != nil {
					return err
				}
				if err := r.each((*pipelinetest.Kafka).Resume); err != nil {
					return err
				}
				return r.kafka.Settled(ctx)
			}})
	}
	return all
}
