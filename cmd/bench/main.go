// Command bench measures Penstock beside the ways of moving events that people
// have today, on real servers that it starts itself, and says whether the
// project's targets are met. `bench --help` tells what it needs.
//
// How a throughput is counted: the events wait in Redis before the mover starts.
// The clock starts when the first record is in Kafka's log and stops when the
// last one can be read by a read_committed consumer, both seen from outside, by
// polling the topic's offsets; so starting a process is not in it, and committing
// is. CPU seconds and memory are those of the mover's process alone, from exec to
// exit. After each run a checker reads the topic: a mover that lost, doubled,
// disordered or corrupted an event is shown as wrong.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := rootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "bench",
		Short: "Measure Penstock beside hand-written loops, stock Watermill and the article's script",
		Long: `Measure Penstock beside hand-written loops, stock Watermill and the article's script.

It starts a real Redis and a real Kafka of its own (make servers installs them),
builds Penstock, and needs python3 for the script and for a plugin. Each throughput is the median
of several runs, which alternate between the movers; CPU and memory are those of
the mover's process alone. Results go to stdout as a table, and as bench.json and
bench.svg into the directory --out.

What --only can name:
` + namesOfAll(),
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			return runBench(command.Context(), o, command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.IntVar(&o.runs, "runs", 3, "runs of each mover; medians count")
	flags.Float64Var(&o.seconds, "seconds", 10, "about how long a run takes")
	flags.StringVar(&o.only, "only", "", "measure only what matches this regular expression")
	flags.BoolVar(&o.quick, "quick", false, "measure everything in a small way, to see that it works")
	flags.StringVar(&o.compression, "compression", "snappy", "of all movers that use franz-go: none, gzip, snappy, lz4, zstd")
	flags.StringVar(&o.out, "out", ".cache/bench", "directory for bench.json and bench.svg")
	command.AddCommand(checkCommand(), fillCommand(), moverCommand(), pluginCommand(), serverCommand())
	return command
}
