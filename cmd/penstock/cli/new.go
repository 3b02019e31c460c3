package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline/config"
)

func newNew(c Components) *cobra.Command {
	draft := config.Draft{Name: "my-pipeline", Source: "redis_list", Sink: "kafka", Format: "json"}
	var out string
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Write a pipeline file to begin with, with a comment at each setting",
		Long: `Write a pipeline file to begin with, with a comment at each setting: those that are
needed with an example, the others with their defaults, as comments. On a terminal it
asks for what no flag says. See penstock components for what there is.`,
		Example: "  penstock new -o shop.yaml\n  penstock new --name shop --source redis_stream --transform filter --transform dedupe > shop.yaml",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if isTerminal(cmd.InOrStdin()) && isTerminal(cmd.ErrOrStderr()) {
				if err := c.askFor(cmd, &draft); err != nil {
					return err
				}
			}
			text, err := c.newFile(draft)
			if err != nil {
				return invalid{err}
			}
			if out == "" {
				_, err = io.WriteString(cmd.OutOrStdout(), text)
				return err
			}
			if err := writeNew(out, text); err != nil {
				return err
			}
			return writeLine(cmd.ErrOrStderr(), "%s is written; fill it in, then: penstock validate %s\n", out, out)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&draft.Name, "name", draft.Name, "the pipeline's name")
	flags.StringVar(&draft.Source, "source", draft.Source, "the source")
	flags.StringVar(&draft.Sink, "sink", draft.Sink, "the sink")
	flags.StringVar(&draft.Format, "format", draft.Format, "how values are read")
	flags.StringArrayVar(&draft.Transforms, "transform", nil, "a transform; may be given several times")
	flags.StringVarP(&out, "output", "o", "", "write to this file, which must not be there yet; default: stdout")
	return cmd
}

// askFor asks for what no flag has said; an empty line takes what is offered.
func (c Components) askFor(cmd *cobra.Command, draft *config.Draft) error {
	in := bufio.NewReader(cmd.InOrStdin())
	for _, q := range []struct {
		flag, question string
		choices        []string
		to             *string
	}{
		{"name", "Name of the pipeline", nil, &draft.Name},
		{"source", "Where records come from", namesOf(c.catalog().Sources), &draft.Source},
		{"sink", "Where they go", namesOf(c.catalog().Sinks), &draft.Sink},
		{"format", "How values are read", namesOf(c.catalog().Formats), &draft.Format},
	} {
		if cmd.Flags().Changed(q.flag) {
			continue
		}
		choices := ""
		if len(q.choices) > 0 {
			choices = " (" + strings.Join(q.choices, ", ") + ")"
		}
		if err := writeLine(cmd.ErrOrStderr(), "%s%s [%s]: ", q.question, choices, *q.to); err != nil {
			return err
		}
		answer, err := in.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if answer = strings.TrimSpace(answer); answer != "" {
			*q.to = answer
		}
	}
	return nil
}

func namesOf(all []config.Component) []string {
	names := make([]string, len(all))
	for i, one := range all {
		names[i] = one.Name
	}
	return names
}

// newFile makes the file, and sees to it that it can be read: a source whose values have
// fields takes no format.
func (c Components) newFile(draft config.Draft) (string, error) {
	wanted := draft.Format
	draft.Format = ""
	text, err := draft.Text(c.catalog())
	if err != nil {
		return "", err
	}
	pipelines, err := c.parseFiles(nil, config.File{Name: "the new file", Data: []byte(text)})
	if err == nil && pipelines[0].Source.Format == nil || wanted == "" {
		return text, err
	}
	draft.Format = wanted
	if text, err = draft.Text(c.catalog()); err != nil {
		return "", err
	}
	_, err = c.parseFiles(nil, config.File{Name: "the new file", Data: []byte(text)})
	return text, err
}

// writeNew writes a file that is not there yet.
func writeNew(name, text string) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // a pipeline file is no secret
	if errors.Is(err, os.ErrExist) {
		return invalid{fmt.Errorf("%s is there already; choose another name", name)}
	}
	if err != nil {
		return invalid{err}
	}
	_, err = io.WriteString(file, text)
	return errors.Join(err, file.Close())
}
