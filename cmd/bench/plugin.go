package main

import (
	"context"
	_ "embed" // for the plugin in Python
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/plugins/sdk"
)

// nothing are the settings of a plugin that takes none.
type nothing struct{}

// pluginCommand is a plugin that does nothing: what it takes is what any plugin takes.
func pluginCommand() *cobra.Command {
	return &cobra.Command{
		Use: "plugin", Short: "Be a plugin of Penstock that does nothing", Hidden: true, Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			sdk.Serve(sdk.Plugin[nothing]{Name: "nothing", Version: "1", Doc: "Does nothing.", New: func(nothing) (sdk.Transform, error) {
				return sdk.Func(func(_ context.Context, r *sdk.Record) ([]*sdk.Record, error) { return []*sdk.Record{r}, nil }), nil
			}})
		},
	}
}

// pythonIdler does nothing in Python. Its argument is the folder of the SDK.
//
//go:embed idler.py
var pythonIdler []byte

// pythonPackages are what the SDK for Python needs, in the versions that it is tested with.
var pythonPackages = []string{"grpcio==1.71.2", "protobuf==5.29.5"}

// newPythonPlugin writes the plugin to dir, makes a venv for it under the cache, and gives
// its command. The SDK is that of the checkout the benchmark is started in.
func newPythonPlugin(ctx context.Context, cache, dir string) (command []string, err error) {
	script := filepath.Join(dir, "idler.py")
	if err := os.WriteFile(script, pythonIdler, 0o600); err != nil {
		return nil, err
	}
	sdkFolder, err := filepath.Abs(filepath.Join("plugins", "sdk", "python", "src"))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(sdkFolder); err != nil {
		return nil, fmt.Errorf("start the benchmark in a checkout, for its SDK for Python: %w", err)
	}
	python, err := venv(ctx, filepath.Join(cache, "venv-plugin"), "import grpc, google.protobuf", pythonPackages...)
	if err != nil {
		return nil, fmt.Errorf("the plugin in Python: %w", err)
	}
	return []string{python, script, sdkFolder}, nil
}

// command gives that of the plugin of a way; none where it has no plugin.
func (b *bench) command(way way) ([]string, error) {
	switch way {
	case idler:
		self, err := os.Executable()
		return []string{self, "plugin"}, err
	case snake:
		return b.python, nil
	}
	return nil, nil
}
