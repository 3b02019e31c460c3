package cli

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

// scaffolds are the files of new plugins, by language.
//
//go:embed scaffold
var scaffolds embed.FS

// firstSteps are what is to be done with a new plugin, by language.
var firstSteps = map[string]string{
	"go":     "  go mod tidy && go test ./... && go build .\n",
	"python": "  python3 -m venv .venv && . .venv/bin/activate\n  pip install -r requirements.txt && python3 -m unittest\n",
}

// scaffold is what the files of a new plugin say.
type scaffold struct {
	Name    string
	Version string // of the SDK
	Source  string // folder of the SDK's source, in place of Version
}

var pluginName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

func newPluginNew() *cobra.Command {
	var language, source string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a folder with a plugin that works, to begin with",
		Long: `Write a folder with a plugin that works, to begin with: its source, settings and test, a
pipeline with tests that uses it, and a README that says how it is built.`,
		Example: "  penstock plugin new redact\n  penstock plugin new --language python redact",
		Args:    takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !pluginName.MatchString(args[0]) {
				return invalid{fmt.Errorf("%q cannot be the name of a plugin; write small letters, digits and -, like redact", args[0])}
			}
			if _, err := fs.Stat(scaffolds, "scaffold/"+language); err != nil || language == "" {
				return invalid{fmt.Errorf("--language %s: write go or python", language)}
			}
			s := scaffold{Name: args[0], Version: ownVersion(), Source: source}
			if source != "" {
				var err error
				if s.Source, err = filepath.Abs(source); err != nil {
					return err
				}
			}
			if err := s.write(language, args[0]); err != nil {
				return err
			}
			return writeLine(cmd.OutOrStdout(), "%s is written; go on with\n  cd %s\n%s  penstock test pipeline.yaml\n", args[0], args[0], firstSteps[language])
		},
	}
	cmd.Flags().StringVar(&language, "language", "go", "what it is written in: go or python")
	cmd.Flags().StringVar(&source, "source", "", "a folder with Penstock's source, whose SDK is taken in place of a released one")
	return cmd
}

// ownVersion is the version of this binary's module, as a go.mod can require it.
func ownVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || !strings.HasPrefix(info.Main.Version, "v") {
		return "latest"
	}
	return strings.TrimSuffix(info.Main.Version, "+dirty")
}

// write writes the files into a new folder.
func (s scaffold) write(language, dir string) error {
	if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrExist) {
		return invalid{fmt.Errorf("%s is there already; choose another name", dir)}
	} else if err != nil {
		return err
	}
	files, err := fs.Glob(scaffolds, "scaffold/"+language+"/*.tmpl")
	if err != nil {
		return err
	}
	for _, file := range files {
		parsed, err := template.ParseFS(scaffolds, file)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(file), ".tmpl")
		if name == "gitignore" {
			name = ".gitignore"
		}
		out, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := errors.Join(parsed.Execute(out, s), out.Close()); err != nil {
			return err
		}
	}
	return nil
}
