package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// grace is how much longer than --shutdown a stop may take before the process
// ends without having settled.
const grace = 5 * time.Second

func newRun(c Components) *cobra.Command {
	var settings runSettings
	var metrics listener
	var watch bool
	cmd := &cobra.Command{
		Use:   "run FILE…",
		Short: "Run pipelines until SIGTERM, or until their sources are drained",
		Long: `Run pipelines until SIGTERM, or until their sources are drained.

SIGTERM or Ctrl-C stops reading and settles what is under way; a second one ends
the process at once, and nothing is lost either: what was under way comes again.
Logs go to stderr: text on a terminal, JSON otherwise.

With --watch, a file that is saved changes its pipelines: they settle what is under way,
and go on as the file says now, without losing a record. While a file is wrong, what
runs goes on, and the log says what is wrong.

The environment variables GOGC and GOMEMLIMIT count, as in every Go program.`,
		Example: "  penstock run user-behavior.yaml\n  penstock run --until-drained --metrics-listen 127.0.0.1:9090 *.yaml",
		Args:    takes(1, math.MaxInt),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(settings.check(), metrics.check()); err != nil {
				return invalid{err}
			}
			if watch && settings.untilDrained {
				return invalid{errors.New("--watch and --until-drained exclude each other; leave one out")}
			}
			pipelines, err := c.parse(args)
			if err != nil {
				return err
			}
			line := &statusLine{to: cmd.ErrOrStderr()}
			env := Environment{Log: newLogger(line, isTerminal(cmd.ErrOrStderr())), Stdin: cmd.InOrStdin(), Stdout: cmd.OutOrStdout(), Clock: time.Now}
			tracer, stopTracing, err := startTracing(cmd.Context(), env.Log)
			if err != nil {
				return err
			}
			defer stopTracing()
			env.Tracer = tracer
			if err := c.checkPlugins(cmd.Context(), pipelines, env.Log); err != nil {
				return err
			}
			running, err := c.buildAll(pipelines, env, settings)
			if err != nil {
				return err
			}
			r := runner{settings: settings, metrics: metrics, line: line, terminal: isTerminal(cmd.ErrOrStderr()), log: env.Log}
			if watch {
				return c.watch(cmd.Context(), &r, args, env, running)
			}
			return r.run(cmd.Context(), running)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&settings.untilDrained, "until-drained", false, "end when all that is in the sources now is delivered and cleaned up")
	flags.DurationVar(&settings.patience, "patience", 30*time.Second, "with --until-drained: how long to wait for Redis or Kafka before exit code 3")
	flags.BoolVar(&watch, "watch", false, "change the pipelines when their files are saved")
	flags.DurationVar(&settings.shutdown, "shutdown", 20*time.Second, "how long a stop may settle what is under way")
	metrics.flags(flags)
	return cmd
}

// runner runs pipelines, and shows how they are.
type runner struct {
	settings runSettings
	metrics  listener
	line     *statusLine
	terminal bool
	log      *slog.Logger
}

// run runs pipelines and closes them, and returns when all have ended.
func (r *runner) run(ctx context.Context, running []*built) error {
	stopMetrics, err := r.metrics.serve(running, r.log)
	if err != nil {
		return err
	}
	defer stopMetrics()
	if r.terminal {
		defer r.line.follow(running)()
	}
	return runAll(ctx, running, r.settings.shutdown+grace, r.log)
}

// buildAll makes all pipelines, or none.
func (c Components) buildAll(pipelines []*config.Pipeline, env Environment, settings runSettings) ([]*built, error) {
	var all []*built
	var errs []error
	for _, p := range pipelines {
		b, err := c.build(p, env, settings)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, b)
	}
	if len(errs) == 0 {
		return all, nil
	}
	for _, b := range all {
		b.close()
	}
	return nil, errors.Join(errs...)
}

// runAll runs pipelines and closes them. One that fails leaves the others alone;
// each says how it ended. After ctx has ended they have until the deadline.
func runAll(ctx context.Context, running []*built, deadline time.Duration, log *slog.Logger) error {
	errs := make([]error, len(running))
	done := make(chan struct{})
	var all errgroup.Group
	for i, b := range running {
		all.Go(func() error {
			defer b.close()
			errs[i] = b.run(ctx, log.With("pipeline", b.name))
			return nil
		})
	}
	go func() {
		all.Wait() //nolint:errcheck // each keeps its own
		close(done)
	}()
	select {
	case <-done:
	case <-expired(ctx, deadline):
		return stopTook(deadline)
	}
	return errors.Join(errs...)
}

func stopTook(deadline time.Duration) error {
	return &pipeline.Error{Class: pipeline.Retryable, What: fmt.Sprintf("the stop took longer than %v", deadline),
		Do: "nothing is lost: what was under way comes again at the next start"}
}

// expired gives a channel that is closed a while after ctx has ended.
func expired(ctx context.Context, after time.Duration) <-chan struct{} {
	out := make(chan struct{})
	context.AfterFunc(ctx, func() { time.AfterFunc(after, func() { close(out) }) })
	return out
}

// run runs one pipeline and tells how it ended.
func (b *built) run(ctx context.Context, log *slog.Logger) error {
	started := time.Now()
	log.Info("pipeline starts", "route", b.route, "instance", b.instance)
	err := b.engine.Run(ctx)
	n := b.engine.Stats().Snapshot().Counts
	figures := []any{
		"read", n.Read, "written", n.Written, "filtered", n.Filtered, "duplicates", n.Duplicates, "dropped", n.Dropped,
		"dead_lettered", n.DeadLettered, "seconds", float64(time.Since(started).Milliseconds()) / 1000,
	}
	if n.Split > 0 {
		figures = append(figures, "split", n.Split)
	}
	if err != nil {
		log.Error("pipeline failed", append([]any{"error", err.Error()}, figures...)...)
		return reported{err}
	}
	log.Info("pipeline ended", figures...)
	return nil
}
