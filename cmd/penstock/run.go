package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

func newRun() *cobra.Command {
	var settings runSettings
	cmd := &cobra.Command{
		Use:   "run FILE…",
		Short: "Run pipelines until SIGTERM, or until their sources are drained",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runFiles(cmd.Context(), args, settings)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&settings.untilDrained, "until-drained", false, "end when all that is in the sources now is delivered and cleaned up")
	flags.DurationVar(&settings.patience, "patience", 30*time.Second, "with --until-drained: how long to wait for Redis or Kafka before exit code 3")
	flags.DurationVar(&settings.shutdown, "shutdown", 20*time.Second, "how long a stop may settle what is under way")
	flags.StringVar(&settings.metricsListen, "metrics-listen", "", "serve Prometheus metrics at this address, like 127.0.0.1:9090")
	return cmd
}

// runFiles runs every pipeline of the files, and returns when all have ended.
// One that fails leaves the others alone.
func runFiles(ctx context.Context, files []string, settings runSettings) error {
	pipelines, err := parse(files)
	if err != nil {
		return err
	}
	s := surroundings{log: newLogger(), stdin: os.Stdin, stdout: os.Stdout, clock: now}
	var running []*built
	for _, p := range pipelines {
		b, err := build(p, s, settings)
		if err != nil {
			return err
		}
		defer b.close()
		running = append(running, b)
	}
	errs := make([]error, len(running))
	var all errgroup.Group
	for i, b := range running {
		all.Go(func() error {
			errs[i] = b.engine.Run(ctx)
			return nil
		})
	}
	all.Wait() //nolint:errcheck // each keeps its own
	return errors.Join(errs...)
}
