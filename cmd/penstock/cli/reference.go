package cli

import (
	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline/config"
)

func newSchema(c Components) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Write the JSON Schema of a pipeline file, for editors",
		Long: `Write the JSON Schema of a pipeline file, for editors.

Save it beside your files and begin each of them with
# yaml-language-server: $schema=./penstock.schema.json`,
		Example: "  penstock schema > penstock.schema.json",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			schema, err := config.Schema(c.catalog())
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(schema)
			return err
		},
	}
}

func newComponents(c Components) *cobra.Command {
	return &cobra.Command{
		Use:     "components [NAME]",
		Short:   "Reference of sources, transforms, formats and sinks",
		Example: "  penstock components\n  penstock components redis_list",
		Args:    takes(0, 1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return c.names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) > 0 {
				name = args[0]
			}
			if err := config.Reference(cmd.OutOrStdout(), c.catalog(), name); err != nil {
				return invalid{err}
			}
			return nil
		},
	}
}

// names gives the names of all components.
func (c Components) names() []string {
	catalog := c.catalog()
	var names []string
	for _, list := range [][]config.Component{catalog.Sources, catalog.Transforms, catalog.Formats, catalog.Sinks} {
		for _, component := range list {
			names = append(names, component.Name)
		}
	}
	return names
}
