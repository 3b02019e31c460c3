// Command penstock moves records from Redis to Kafka as pipeline files say.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// The exit codes.
const (
	exitDone        = 0
	exitFailed      = 1 // failed while running
	exitInvalid     = 2 // a file or the flags are wrong
	exitUnreachable = 3 // something outside cannot be reached
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go stopOnSignal(signals, cancel)
	os.Exit(run(ctx, os.Args[1:]))
}

// stopOnSignal asks for a stop at the first signal, and ends the process at the
// second: nothing is lost then either, what was under way comes again.
func stopOnSignal(signals <-chan os.Signal, cancel func()) {
	<-signals
	cancel()
	<-signals
	os.Exit(exitFailed)
}

// run runs the command line and gives the exit code.
func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(root.ErrOrStderr(), err)
	}
	return exitCode(err)
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func exitCode(err error) int {
	var usage usageError
	var mistakes config.Errors
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage), errors.As(err, &mistakes):
		return exitInvalid
	case pipeline.ClassOf(err) == pipeline.Unreachable:
		return exitUnreachable
	default:
		return exitFailed
	}
}
