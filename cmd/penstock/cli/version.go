package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// release is the version of a release; the build sets it (-ldflags -X). Empty: the module's,
// or the commit's.
var release string

// build is what a binary was made from.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Changed  bool   `json:"changed,omitempty"`  // there were changes that were not committed
	Penstock string `json:"penstock,omitempty"` // that of a program of somebody's own
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func builtFrom() build {
	b := build{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = strings.TrimPrefix(info.Main.Version, "v")
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/penstock-io/penstock" {
			b.Penstock = strings.TrimPrefix(dep.Version, "v")
		}
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Changed = s.Value == "true"
		}
	}
	return b
}

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Tell which Penstock this is",
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := builtFrom()
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), b)
			}
			commit := ""
			if b.Commit != "" {
				commit = " from " + b.Commit[:min(12, len(b.Commit))]
			}
			if b.Changed {
				commit += ", changed"
			}
			from := ""
			if b.Penstock != "" {
				from = penstockName + " " + b.Penstock + ", "
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s%s (%s%s, %s)\n", cmd.Root().Name(), b.Version, commit, from, b.Go, b.Platform)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "answer as JSON")
	return cmd
}
