package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/penstock-io/penstock/pipeline/config"
)

// newRoot makes the command line.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "penstock",
		Short:         "Moves records from Redis to Kafka, exactly once, in order",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newRun())
	return root
}

// newLogger logs to stderr: text on a terminal, JSON otherwise.
func newLogger() *slog.Logger {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		return slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, nil))
}

// parse reads pipeline files with the environment of the process.
func parse(names []string) ([]*config.Pipeline, error) {
	files := make([]config.File, len(names))
	for i, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, usageError{err}
		}
		files[i] = config.File{Name: name, Data: data}
	}
	return config.Parse(catalog(), config.Lookup{Env: os.LookupEnv, ReadFile: os.ReadFile}, files...)
}
