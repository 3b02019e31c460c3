package main

import (
	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/cmd/bench/movers"
)

// moverCommand is how the benchmark runs a mover in a process of its own.
func moverCommand() *cobra.Command {
	var job movers.Job
	command := &cobra.Command{
		Use:    "mover NAME",
		Short:  "Run one of the movers that Penstock is measured against",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			mover, err := movers.Named(args[0])
			if err != nil {
				return err
			}
			return mover(command.Context(), job)
		},
	}
	flags := command.Flags()
	flags.StringVar(&job.Redis, "redis", "localhost:6379", "host:port of Redis")
	flags.StringSliceVar(&job.Brokers, "brokers", []string{"localhost:9092"}, "host:port of Kafka's brokers")
	flags.StringVar(&job.Key, "key", "", "the stream or list")
	flags.StringVar(&job.Topic, "topic", "", "the topic")
	flags.IntVar(&job.Events, "events", 0, "how many events to move")
	flags.StringVar(&job.Compression, "compression", "snappy", "none, gzip, snappy, lz4 or zstd")
	return command
}
