package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/cmd/bench/measure"
	"github.com/penstock-io/penstock/cmd/bench/report"
)

const (
	// most bounds the events of a run, for the memory they take in Redis.
	most = 8_000_000
	// patience is how many times longer than expected a run may take.
	patience = 20
)

// throughput runs each selected row once to find out how many events take the
// seconds that were asked for, and then as often as asked, the rows in turn.
func (b *bench) throughput(ctx context.Context) ([]report.Row, error) {
	var chosen []row
	var found []report.Row
	for _, r := range rows {
		if b.selects(r.name) {
			chosen, found = append(chosen, r), append(found, r.report())
		}
	}
	events := make([]int, len(chosen))
	for i, r := range chosen {
		b.progress.say("%s: how fast is it about?", r.name)
		run, err := b.run(ctx, r, eventsFor(float64(r.guess), b.sizes.calibration))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		events[i] = eventsFor(float64(run.Events)/run.Seconds, b.options.seconds)
	}
	for n := range b.options.runs {
		for i, r := range chosen {
			b.progress.say("%s: run %d of %d, %d events", r.name, n+1, b.options.runs, events[i])
			run, err := b.run(ctx, r, events[i])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", r.name, err)
			}
			found[i].Runs = append(found[i].Runs, run)
		}
	}
	return found, nil
}

// eventsFor is how many events take the seconds at that rate.
func eventsFor(rate, seconds float64) int {
	return min(max(int(rate*seconds), 500), most)
}

// run lets a mover move events that wait, and has the checker judge the topic.
func (b *bench) run(ctx context.Context, r row, events int) (_ report.Run, err error) {
	w, err := b.newWork(ctx, r.name, r.shape, events)
	if err != nil {
		return report.Run{}, err
	}
	defer func() { err = errors.Join(err, b.discard(ctx, w)) }()
	if err := b.fill(ctx, w); err != nil {
		return report.Run{}, err
	}
	name, args, err := r.command(b, w)
	if err != nil {
		return report.Run{}, err
	}
	limit := time.Minute + time.Duration(patience*float64(events)/float64(r.guess)*float64(time.Second))
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	usage, arrivals, err := b.watch(limited, w, name, args)
	if err != nil {
		return report.Run{}, err
	}
	verdict, err := b.check(ctx, w)
	if err != nil {
		return report.Run{}, err
	}
	return report.Run{
		Events: events, Seconds: arrivals.Took().Seconds(), WholeSeconds: usage.Wall.Seconds(),
		CPUSeconds: usage.CPU.Seconds(), PeakRSS: usage.PeakRSS, MeanRSS: usage.MeanRSS, Verdict: verdict,
	}, nil
}

// watch runs a program to its end while the topic is watched.
func (b *bench) watch(ctx context.Context, w work, name string, args []string) (measure.Usage, measure.Arrivals, error) {
	process, err := measure.Start(name, args...)
	if err != nil {
		return measure.Usage{}, measure.Arrivals{}, err
	}
	arrivals, watchErr := b.topics.WatchArrivals(ctx, w.topic, partitions, process.Exited())
	usage, err := process.Wait(ctx)
	if err := errors.Join(err, watchErr); err != nil {
		return usage, arrivals, err
	}
	if arrivals.First.IsZero() || arrivals.Last.IsZero() {
		return usage, arrivals, errors.New("the mover ended and its records cannot be read")
	}
	if arrivals.Took() <= 0 {
		return usage, arrivals, fmt.Errorf("%d events arrive faster than can be measured", w.events)
	}
	return usage, arrivals, nil
}
