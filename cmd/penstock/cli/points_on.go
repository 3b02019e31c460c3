//go:build points && unix

package cli

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/penstock-io/penstock/pipeline/engine"
)

// The variables of the binary that tests kill.
const (
	// pointsFile names a file in which the process keeps where it is, for who
	// kills it: a byte for the transaction ('-' none, 'o' open, 'c' its commit is
	// under way), and one that is 'd' while something is committed and not cleaned
	// up. It is kept for pipelines of one shard.
	pointsFile = "PENSTOCK_POINTS"
	// crashAt makes the process kill itself when it meets a point, "written", or
	// meets it the n-th time, "written:3".
	crashAt = "PENSTOCK_CRASH_AT"
)

// points tells where the process is, and ends it where it is told to.
func points() func(engine.Point) {
	at, err := openPoints(os.Getenv(pointsFile))
	if err != nil {
		fmt.Fprintln(os.Stderr, pointsFile, err)
		os.Exit(exitInvalid)
	}
	crash, err := parseCrash(os.Getenv(crashAt))
	if err != nil {
		fmt.Fprintln(os.Stderr, crashAt, err)
		os.Exit(exitInvalid)
	}
	return func(p engine.Point) {
		at(p)
		crash(p)
	}
}

// openPoints gives the function that writes points down.
func openPoints(name string) (func(engine.Point), error) {
	if name == "" {
		return func(engine.Point) {}, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	put := func(text string, at int64) {
		if _, err := f.WriteAt([]byte(text), at); err != nil {
			fmt.Fprintln(os.Stderr, pointsFile, err)
			os.Exit(exitFailed)
		}
	}
	return func(p engine.Point) {
		switch p {
		case engine.Opened:
			put("--", 0)
		case engine.Written:
			put("o", 0)
		case engine.Committing:
			put("c", 0)
		case engine.Committed:
			put("-d", 0)
		case engine.Settled:
			put("-", 1)
		}
	}, nil
}

// parseCrash reads point[:n] and gives the function that ends the process.
func parseCrash(text string) (func(engine.Point), error) {
	name, count, counted := strings.Cut(text, ":")
	n := int64(1)
	if counted {
		var err error
		if n, err = strconv.ParseInt(count, 10, 64); err != nil {
			return nil, err
		}
	}
	var met atomic.Int64
	return func(p engine.Point) {
		if string(p) == name && met.Add(1) == n {
			syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // it cannot fail
			select {}
		}
	}, nil
}
