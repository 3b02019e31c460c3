// Command chaos breaks everything around Penstock, and Penstock itself, while events
// go through it, and counts what was lost, doubled, disordered or corrupted.
//
// It starts a real Redis and three real Kafka brokers (replication 3, min.insync 2) with
// a proxy before each. A scenario runs pipelines as a supervisor would, starts them again
// when they end, pushes numbered events, and injects faults at moments that a seed
// decides; then the faults end, everything must arrive, and a checker reads the topics
// as a read_committed consumer does. The same seed gives the same faults, the same
// choices and the same pauses; what a process is doing at such a moment is its own.
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
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:   "chaos",
		Short: "Break everything around Penstock, and Penstock itself, and count what is lost",
		Long: `Break everything around Penstock, and Penstock itself, while events go through it,
and count what is lost, doubled, disordered or corrupt.

It starts a real Redis and three real Kafka brokers of its own (make servers installs
them), and builds Penstock. A row a pipeline goes to stdout. It ends with 1 where a
promise was broken: then it says with which seed to see it again, and keeps the logs.

What --only can name:
` + describeAll(),
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			return runChaos(command.Context(), o, command.OutOrStdout())
		},
	}
	flags := command.Flags()
	flags.Uint64Var(&o.seed, "seed", 0, "decides the faults and their moments; 0: a new one, which is printed")
	flags.StringVar(&o.only, "only", "", "run only the scenarios that match this regular expression")
	flags.StringSliceVar(&o.from, "from", nil, "run only pipelines from these: list, stream, group")
	flags.BoolVar(&o.long, "long", false, "100 kills, Redis without memory for a minute, Kafka away for 10 minutes, a soak of 20")
	flags.IntVar(&o.events, "events", 0, "events of each pipeline at least; 0: 1,000,000 where Penstock is killed with --long, else as many as come meanwhile")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	flags.StringVar(&o.out, "out", ".cache/chaos", "directory for what a failure leaves behind")
	flags.StringVar(&o.readme, "readme", "", "write the table into this file, between its two marks")
	return command
}
