package main

import (
	"context"
	"errors"
	"log/slog"
	"syscall"
	"time"

	"github.com/penstock-io/penstock/cmd/bench/report"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/host"
	"github.com/penstock-io/penstock/transforms/format"
)

// plugins measures calls of a plugin that does nothing, in each language, without servers.
func (b *bench) plugins(ctx context.Context, found *report.Report) error {
	for _, l := range []struct {
		language string
		way      way
	}{{"Go", idler}, {"Python", snake}} {
		command, err := b.command(l.way)
		if err != nil {
			return err
		}
		var cpu, one []float64
		for range max(b.options.runs, 3) {
			c, o, err := b.calls(ctx, command)
			if err != nil {
				return err
			}
			cpu, one = append(cpu, c), append(one, o)
		}
		found.Plugins = append(found.Plugins, report.Plugin{Language: l.language, CPU: report.Quantile(cpu, 0.5), One: report.Quantile(one, 0.5)})
	}
	return nil
}

// calls gives the CPU that both sides take for a record of batches of 1,000, and how long a
// batch of one takes, in nanoseconds.
func (b *bench) calls(ctx context.Context, command []string) (cpu, one float64, err error) {
	var took []float64
	start, _, err := b.spent(ctx, command, 1, 1000, func(time.Duration) {})
	if err != nil {
		return 0, 0, err
	}
	whole, records, err := b.spent(ctx, command, max(int(b.sizes.format/time.Millisecond), 20), 1000, func(time.Duration) {})
	if err != nil {
		return 0, 0, err
	}
	if _, _, err = b.spent(ctx, command, max(int(b.sizes.format/time.Millisecond), 20), 1, func(d time.Duration) {
		took = append(took, float64(d))
	}); err != nil {
		return 0, 0, err
	}
	return float64(whole-start) / float64(records-1000), report.Quantile(took, 0.5), nil
}

// spent gives the CPU of both sides for a plugin that is started, given batches, and ended.
func (b *bench) spent(ctx context.Context, command []string, batches, size int, called func(time.Duration)) (cpu time.Duration, records int, err error) {
	p, err := host.New(host.Settings{Command: command, Timeout: startLimit, Instances: 1}, "bench", b.dir, slog.New(slog.DiscardHandler))
	if err != nil {
		return 0, 0, err
	}
	before := cpuTime() + cpuOfChildren()
	err = errors.Join(callAll(ctx, p, batches, size, called), p.Close())
	return cpuTime() + cpuOfChildren() - before, batches * size, err
}

func callAll(ctx context.Context, p *host.Plugin, batches, size int, called func(time.Duration)) error {
	reading, carried := []pipeline.Transform{format.NewReader(format.JSON{})}, new(pipeline.Batch)
	for range batches {
		carried.Reset()
		for range size {
			carried.Add().Value = pipeline.RawValue([]byte(shopEvent))
		}
		if err := through(ctx, carried, reading); err != nil {
			return err
		}
		began := time.Now()
		if err := through(ctx, carried, []pipeline.Transform{p}); err != nil {
			return err
		}
		called(time.Since(began))
	}
	return nil
}

// cpuOfChildren is the CPU of the processes that this one has started, and that are gone.
func cpuOfChildren() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage) != nil {
		return 0 // it cannot fail with these arguments (getrusage(2))
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
