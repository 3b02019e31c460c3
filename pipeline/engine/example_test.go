package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/transforms"
	"github.com/penstock-io/penstock/transforms/format"
)

// A pipeline without a file: lines from a reader, through a format and a filter, to
// standard output.
func ExampleNew() {
	source := local.NewStdin(local.StdinSettings{MaxLine: 1 << 20}, strings.NewReader(`{"user":"u1","action":"buy"}
{"user":"u2","action":"view"}
{"user":"u3","action":"buy"}
`))
	defer source.Close()
	sink := local.NewStdout(local.StdoutSettings{}, os.Stdout)
	defer sink.Close()
	read := format.NewReader(format.JSON{})
	filter, err := transforms.NewFilter(transforms.FilterSettings{Condition: `value.action == "buy"`})
	if err != nil {
		fmt.Println(err)
		return
	}
	e := engine.New(engine.Config{
		Name: "purchases", Instance: "example",
		Source: source, SourceKeepsPosition: true,
		Stages: []engine.Stage{{Name: "source.format", Transform: read}, {Name: "transforms[0].filter", Transform: filter}},
		Sink:   sink,
		Batch:  pipeline.Limit{Records: 1000, Bytes: 4 << 20}, Window: engine.Window{Batches: 64, Bytes: 64 << 20},
		CommitEvery: 50 * time.Millisecond, CommitRecords: 100_000, Shutdown: 20 * time.Second,
		Log: slog.New(slog.DiscardHandler),
	})
	if err := e.Run(context.Background()); err != nil { // until the source ends, or the context
		fmt.Println(err)
	}
	n := e.Stats().Snapshot().Counts
	fmt.Println(n.Read, "read,", n.Written, "written,", n.Filtered, "filtered;", e.State().Name)
	// Output:
	// {"user":"u1","action":"buy"}
	// {"user":"u3","action":"buy"}
	// 3 read, 2 written, 1 filtered; stopped
}
