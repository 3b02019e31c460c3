//go:build unix

package trial_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/penstock-io/penstock/plugins/host"
	"github.com/penstock-io/penstock/plugins/host/trial"
	"github.com/penstock-io/penstock/plugins/sdk"
	"github.com/penstock-io/penstock/plugins/wire"
)

// TestMain is also the main of the plugin that is tried.
func TestMain(m *testing.M) {
	if os.Getenv(wire.CookieName) == wire.CookieValue {
		sdk.Serve(sdk.Plugin[struct{}]{
			Name: "seen", Version: "1.0.0", Doc: "Marks what it has seen.",
			New: func(struct{}) (sdk.Transform, error) {
				return sdk.Func(func(_ context.Context, r *sdk.Record) ([]*sdk.Record, error) {
					return []*sdk.Record{r}, r.Set(true, "seen")
				}), nil
			},
		})
		return
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") //nolint:errcheck // the plugin ends a second later where it does not work
	os.Exit(m.Run())
}

// Does a program keep to the protocol? Whoever writes an SDK for another language asks so.
func ExampleAll() {
	plugin := func(change func(map[string]any) map[string]any) (*host.Plugin, error) {
		return host.New(host.Settings{
			Command: []string{os.Args[0]}, Settings: change(map[string]any{}), Timeout: trial.Patience, Instances: 1, Env: []string{"GORACE"},
		}, "trial", ".", slog.New(slog.DiscardHandler))
	}
	for _, one := range trial.All([]string{`{"user":"u1"}`}) {
		found := &trial.Found{}
		err := one.Try(context.Background(), plugin, found)
		fmt.Println(one.Name+":", err)
	}
	// Output:
	// it starts, and says what it is: <nil>
	// it takes its settings: <nil>
	// it refuses a setting that it does not know: <nil>
	// it answers about each record, of batches of 1, 10 and 1,000: <nil>
	// it survives odd records: <nil>
	// it takes a record of 8 MiB: <nil>
	// it takes several batches at once, some thousand records: <nil>
	// it goes on after a call that was given up: <nil>
	// it ends when it is told to: <nil>
	// it answers about your records: <nil>
}
