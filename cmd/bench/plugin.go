package main

import (
	"context"

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
