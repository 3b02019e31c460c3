//go:build unix

package host_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/host"
)

// A plugin is a pipeline.Transform: its process starts with the first batch. The one here
// does what values say; it is the program of these tests, and would be ./redact.
func ExampleNew() {
	ctx := context.Background()
	plugin, err := host.New(host.Settings{
		Command: []string{os.Args[0], "good"}, Settings: map[string]any{"suffix": "?"}, Timeout: time.Minute, Instances: 1, Env: []string{"GORACE"},
	}, "shop", ".", slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	problems, err := plugin.Check(ctx)
	fmt.Println("against its settings:", problems, err)

	b := &pipeline.Batch{}
	for _, text := range []string{`{"do":"change"}`, `{"do":"refuse"}`} {
		r := b.Add()
		if r.Value, err = b.Document([]byte(text)); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(plugin.Apply(ctx, b), plugin.Close())
	fmt.Println(string(b.Records[0].Value.Raw()))
	fmt.Println("refused:", b.Records[1].Failure.Err)
	// Output:
	// against its settings: [] <nil>
	// <nil> <nil>
	// {"do":"done?"}
	// refused: it will not do
}
