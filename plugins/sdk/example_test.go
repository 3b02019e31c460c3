//go:build unix

package sdk_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/host"
	"github.com/penstock-io/penstock/plugins/sdk"
	"github.com/penstock-io/penstock/plugins/wire"
)

// settings are what a pipeline file says of the plugin shout.
type settings struct {
	Field string `yaml:"field" default:"user" doc:"What to write in capitals."`
}

// shout writes a field in capitals.
var shout = sdk.Plugin[settings]{
	Name: "shout", Version: "1.0.0", Doc: "Writes a field in capitals.", Example: "field: user\n",
	New: func(s settings) (sdk.Transform, error) {
		return sdk.Func(func(_ context.Context, r *sdk.Record) ([]*sdk.Record, error) {
			text, ok := r.Text(s.Field)
			if !ok {
				return nil, errors.New("it has no " + s.Field)
			}
			return []*sdk.Record{r}, r.Set(strings.ToUpper(text), s.Field)
		}), nil
	},
}

// TestMain is the plugin's main too, where Penstock starts the program of these tests.
func TestMain(m *testing.M) {
	if os.Getenv(wire.CookieName) == wire.CookieValue {
		sdk.Serve(shout) // all that stands in the main of a plugin
		return
	}
	os.Exit(m.Run())
}

// The main of a plugin is sdk.Serve(shout), and nothing else. Here the program with that
// main is started as a pipeline with {plugin: {command: [./shout], settings: {field: name}}}
// does it.
func ExampleServe() {
	ctx := context.Background()
	plugin, err := host.New(host.Settings{
		Command: []string{os.Args[0]}, Settings: map[string]any{"field": "name"}, Timeout: time.Minute, Instances: 1,
	}, "hello", ".", slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer plugin.Close()
	b := &pipeline.Batch{}
	for _, text := range []string{`{"name":"ada"}`, `{"id":7}`} {
		r := b.Add()
		if r.Value, err = b.Document([]byte(text)); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(plugin.Apply(ctx, b))
	fmt.Println(string(b.Records[0].Value.Raw()))
	fmt.Println(b.Records[1].Failure.Err)
	// Output:
	// <nil>
	// {"name":"ADA"}
	// it has no name
}

// errBusy is what a service says that has too much to do.
var errBusy = errors.New("the service is busy")

// What may pass is tried again, where the pipeline says on_error: {retry: …}; all else is
// refused at once.
func ExampleAgain() {
	ask := func(user string) error {
		if user == "u1" {
			return errBusy
		}
		return errors.New("there is no such user")
	}
	check := sdk.Func(func(_ context.Context, r *sdk.Record) ([]*sdk.Record, error) {
		user, _ := r.Text("user")
		err := ask(user)
		if errors.Is(err, errBusy) {
			return nil, sdk.Again(err)
		}
		return []*sdk.Record{r}, err
	})
	plugin := sdk.Plugin[struct{}]{Name: "check", New: func(struct{}) (sdk.Transform, error) { return check, nil }}
	became, _, err := plugin.Try(context.Background(), `{}`, sdk.Given{Value: `{"user":"u1"}`}, sdk.Given{Value: `{"user":"u2"}`})
	fmt.Println(became[0][0].Refused, err)
	fmt.Println(became[1][0].Refused)
	// Output:
	// the service is busy <nil>
	// there is no such user
}

// A plugin is tried without a process; settings are read as a pipeline would have them.
func ExamplePlugin_Try() {
	became, problems, err := shout.Try(context.Background(), `{"field":"name"}`, sdk.Given{Key: []byte("k"), Value: `{"name":"ada"}`})
	fmt.Println(string(became[0][0].Key), became[0][0].Value, problems, err)
	_, problems, _ = shout.Try(context.Background(), `{"feild":"name"}`)
	fmt.Println(problems[0].Field, problems[0].What)
	// Output:
	// k {"name":"ADA"} [] <nil>
	// feild unknown field "feild"
}
