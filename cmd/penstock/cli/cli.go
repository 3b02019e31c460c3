// Package cli is the command line of penstock: a file a subcommand; components.go is
// the only list of what is built in.
//
// A binary of one's own is a main that adds to that list and calls Main: see the
// example, and connectors/README.md for a whole one. There is no registry: what
// files may name is in the value that Main is given.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // time zones, where the machine has none

	"github.com/redis/go-redis/v9/logging"

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

// Main runs the command line of the process, with the components that files may
// name, until it ends or a signal stops it, and gives the exit code. A list that is
// wrong (a component without a name, two of one name) is an error before anything
// else: exit code 2.
func Main(components Components) int {
	limitMemory()
	logging.Disable() // go-redis writes to stderr by itself what its errors say too
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer close(signals)
	defer signal.Stop(signals) // nothing is sent any more
	go stopOnSignal(signals, cancel)
	return components.run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// stopOnSignal asks for a stop at the first signal, and ends the process at the
// second: nothing is lost then either, what was under way comes again. It returns
// when no signal comes any more.
func stopOnSignal(signals <-chan os.Signal, cancel func()) {
	<-signals
	cancel()
	if _, more := <-signals; more {
		os.Exit(exitFailed)
	}
}

// run runs a command line and gives the exit code.
func (c Components) run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	err := c.check()
	if err == nil {
		root := newRoot(c)
		root.SetArgs(args)
		root.SetIn(in)
		root.SetOut(out)
		root.SetErr(errOut)
		err = root.ExecuteContext(ctx)
	}
	if err != nil && !isReported(err) {
		fmt.Fprintln(errOut, err) //nolint:errcheck // there is nowhere else to say it
	}
	return exitCode(err)
}

// invalid is a mistake in the command line or a file.
type invalid struct{ error }

// Unwrap gives the mistake.
func (i invalid) Unwrap() error { return i.error }

// reported is an error that people have read already.
type reported struct{ error }

// Unwrap gives the error.
func (r reported) Unwrap() error { return r.error }

func isReported(err error) bool {
	_, ok := errors.AsType[reported](err)
	return ok
}

// exitCode gives the exit code of an error. Of several, the gravest counts:
// unreachable is what all of them have to be.
func exitCode(err error) int {
	switch err := err.(type) { //nolint:errorlint // each layer is looked at
	case nil:
		return exitDone
	case invalid, config.Errors:
		return exitInvalid
	case interface{ Unwrap() []error }:
		code := exitUnreachable
		for _, one := range err.Unwrap() {
			code = min(code, exitCode(one))
		}
		return code
	case *pipeline.Error:
		if err.Class == pipeline.Unreachable {
			return exitUnreachable
		}
		return exitFailed
	}
	if inner := errors.Unwrap(err); inner != nil {
		return exitCode(inner)
	}
	return exitFailed
}
