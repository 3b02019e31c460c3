package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/penstock-io/penstock/cmd/bench/measure"
	"github.com/penstock-io/penstock/cmd/bench/report"
)

const (
	latencyRate = 2000
	latencySkip = 2 * time.Second
	// mostWarmUps bounds the latency runs that do not count.
	mostWarmUps = 10
	// settleTime is how long a pipeline may still be busy with starting.
	settleTime = 2 * time.Second
	// startLimit is how long a start may take before it counts as failed.
	startLimit = 30 * time.Second
)

// situation is something that is measured beside the movers.
type situation struct {
	name    string
	measure func(*bench, context.Context, *report.Report) error
}

var situations = []situation{
	{"latency-stream", latency(measure.Stream)},
	{"latency-list", latency(measure.List)},
	{"memory-stream", memoryAtSpeed(measure.Stream)},
	{"memory-list", memoryAtSpeed(measure.List)},
	{"memory-paused-stream", memoryPaused(measure.Stream)},
	{"memory-paused-list", memoryPaused(measure.List)},
	{"startup", (*bench).startup},
	{"idle", (*bench).idle},
	{"server", (*bench).server},
	{"formats", (*bench).formats},
	{"plugins", (*bench).plugins},
	{"pubsub-redis", comparePubSubs("Redis")},
	{"pubsub-kafka", comparePubSubs("Kafka")},
}

// start runs Penstock on the work; the caller waits for it or stops it.
func (b *bench) start(w work, more ...string) (*measure.Process, error) {
	file, err := b.pipeline(w, plain)
	if err != nil {
		return nil, err
	}
	return measure.Start(b.penstock.binary, append([]string{"run", file}, more...)...)
}

// latency is that of a pipeline with defaults, from the push to a consumer:
// quantiles of each run, and the medians of those.
func latency(shape measure.Shape) func(*bench, context.Context, *report.Report) error {
	return func(b *bench, ctx context.Context, found *report.Report) error {
		all := report.Latency{From: string(shape), Rate: latencyRate, Runs: b.options.runs}
		var p50, p99 []float64
		if err := b.warmUp(ctx, shape); err != nil {
			return err
		}
		for range b.options.runs {
			times, err := b.latencies(ctx, shape)
			if err != nil {
				return err
			}
			p50, p99 = append(p50, report.Quantile(times, 0.5)), append(p99, report.Quantile(times, 0.99))
			all.N += len(times)
			all.Max = max(all.Max, report.Quantile(times, 1))
		}
		all.P50, all.P99 = report.Quantile(p50, 0.5), report.Quantile(p99, 0.5)
		found.Latency = append(found.Latency, all)
		return nil
	}
}

// warmUp runs the latency until it has got no better twice in a row. Those runs do
// not count: they let the broker's JVM compile the way of small transactions, which
// takes it one to three minutes.
func (b *bench) warmUp(ctx context.Context, shape measure.Shape) error {
	best, worse := math.Inf(1), 0
	for ; b.warmUps > 0 && worse < 2; b.warmUps-- {
		times, err := b.latencies(ctx, shape)
		if err != nil {
			return err
		}
		p50 := report.Quantile(times, 0.5)
		if worse++; p50 < 0.95*best {
			worse = 0
		}
		best = min(best, p50)
	}
	b.warmUps = 0
	return nil
}

// latencies gives the milliseconds of each event of one run.
func (b *bench) latencies(ctx context.Context, shape measure.Shape) (times []float64, err error) {
	w, err := b.newWork(ctx, "latency", shape, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.discard(ctx, w)) }()
	process, err := b.start(w)
	if err != nil {
		return nil, err
	}
	times, err = measure.LatencyTest{
		Shape: shape, Key: w.key, Brokers: []string{b.kafka.Addr()}, Topic: w.topic, Users: defaultUsers, Seed: seed,
		Rate: latencyRate, For: b.sizes.latency, Skip: latencySkip,
	}.Run(ctx, b.client)
	_, stopErr := process.Stop(ctx)
	return times, errors.Join(err, stopErr)
}

// memoryAtSpeed is the memory while many events wait and are moved.
func memoryAtSpeed(shape measure.Shape) func(*bench, context.Context, *report.Report) error {
	return func(b *bench, ctx context.Context, found *report.Report) error {
		situation := fmt.Sprintf("full speed, %d waiting", b.sizes.waiting)
		return b.memory(ctx, found, shape, situation, func(context.Context, work) error { return nil })
	}
}

// memoryPaused is the memory while Kafka is stopped in the middle of that.
func memoryPaused(shape measure.Shape) func(*bench, context.Context, *report.Report) error {
	return func(b *bench, ctx context.Context, found *report.Report) error {
		situation := fmt.Sprintf("Kafka stopped for %.0f s", b.sizes.paused.Seconds())
		return b.memory(ctx, found, shape, situation, b.pauseKafka)
	}
}

// pauseKafka stops the broker's process once records have arrived.
func (b *bench) pauseKafka(ctx context.Context, w work) (err error) {
	if err := b.topics.AwaitRecord(ctx, w.topic, partitions); err != nil {
		return err
	}
	if err := b.kafka.Pause(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.kafka.Resume()) }()
	return sleep(ctx, b.sizes.paused)
}

// memory drains a full source with Penstock while something happens to it.
func (b *bench) memory(ctx context.Context, found *report.Report, shape measure.Shape, situation string,
	happens func(context.Context, work) error,
) (err error) {
	w, err := b.newWork(ctx, "memory", shape, b.sizes.waiting)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.discard(ctx, w)) }()
	if err := b.fill(ctx, w); err != nil {
		return err
	}
	process, err := b.start(w, "--until-drained", "--patience", "5m")
	if err != nil {
		return err
	}
	happened := happens(ctx, w)
	limited, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	usage, err := process.Wait(limited)
	if err := errors.Join(happened, err); err != nil {
		return err
	}
	verdict, err := b.check(ctx, w)
	found.Memory = append(found.Memory, report.Memory{
		From: string(shape), Situation: situation, PeakRSS: usage.PeakRSS, MeanRSS: usage.MeanRSS, Verdict: verdict,
	})
	return err
}

// startup is the time to the first XREAD of a pipeline that has run before.
func (b *bench) startup(ctx context.Context, found *report.Report) (err error) {
	w, err := b.newWork(ctx, "startup", measure.Stream, 1000)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.discard(ctx, w)) }()
	if err := b.fill(ctx, w); err != nil {
		return err
	}
	var times []float64
	for n := range b.sizes.starts + 1 {
		process, took, err := b.startAndRead(ctx, w)
		if err != nil {
			return err
		}
		if n > 0 { // the first start made the positions topic
			times = append(times, float64(took)/float64(time.Millisecond))
		}
		if _, err := process.Stop(ctx); err != nil {
			return err
		}
	}
	found.Startup = &report.Startup{
		Starts: b.sizes.starts, P50: report.Quantile(times, 0.5), Max: report.Quantile(times, 1),
	}
	return nil
}

// startAndRead starts Penstock and waits until Redis has seen an XREAD.
func (b *bench) startAndRead(ctx context.Context, w work) (*measure.Process, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	seen, err := measure.FirstCommand(ctx, b.redis.Addr(), "xread")
	if err != nil {
		return nil, 0, err
	}
	process, err := b.start(w)
	if err != nil {
		return nil, 0, err
	}
	select {
	case at, ok := <-seen:
		if ok {
			return process, at.Sub(process.Started()), nil
		}
	case <-process.Exited():
	}
	cancel()
	_, err = process.Wait(ctx)
	return nil, 0, errors.Join(errors.New("Penstock sent no XREAD"), err)
}

// idle is the CPU that a pipeline takes while nothing is pushed.
func (b *bench) idle(ctx context.Context, found *report.Report) (err error) {
	w, err := b.newWork(ctx, "idle", measure.Stream, 1000)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.discard(ctx, w)) }()
	if err := b.fill(ctx, w); err != nil {
		return err
	}
	process, _, err := b.startAndRead(ctx, w)
	if err != nil {
		return err
	}
	used, err := b.cpuWhileIdle(ctx, process)
	if _, stopErr := process.Stop(ctx); stopErr != nil || err != nil {
		return errors.Join(err, stopErr)
	}
	found.Idle = &report.Idle{
		Seconds: b.sizes.idle.Seconds(), Percent: 100 * used.Seconds() / b.sizes.idle.Seconds(),
	}
	return nil
}

func (b *bench) cpuWhileIdle(ctx context.Context, process *measure.Process) (time.Duration, error) {
	if err := sleep(ctx, settleTime); err != nil {
		return 0, err
	}
	before, err := process.CPU()
	if err != nil {
		return 0, err
	}
	if err := sleep(ctx, b.sizes.idle); err != nil {
		return 0, err
	}
	after, err := process.CPU()
	return after - before, err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
