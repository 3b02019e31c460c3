package cli

import (
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline/server"
)

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token COMMAND",
		Short: "Make tokens of a server",
		Args:  takes(1, math.MaxInt),
		RunE:  noSuchCommand,
	}
	cmd.AddCommand(newTokenNew())
	return cmd
}

func newTokenNew() *cobra.Command {
	var file, role string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a token, add its hash to a file, and show it, once",
		Long: `Make a token for somebody, add its hash to a file, and show it, once.

penstock serve --tokens FILE reads the file, and reads it again when it changes. Who shows the
token as "Authorization: Bearer …" may look (read-only), or look and change (operator). To take
a token back, remove its line.`,
		Example: "  penstock token new --role operator ada >token",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			token, err := server.NewToken(file, args[0], server.Role(role))
			if err != nil {
				return invalid{err}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	cmd.Flags().StringVar(&file, "file", "tokens", "the file of hashes")
	cmd.Flags().StringVar(&role, "role", string(server.ReadOnly), "what its owner may do: read-only or operator")
	return cmd
}
