package local

import (
	"context"
	"io"

	"github.com/penstock-io/penstock/pipeline"
)

// StdoutSettings are the settings of the sink stdout: there are none.
type StdoutSettings struct{}

// Stdout is a sink that writes each value as a line. It stores no positions and
// delivers at least once: what a commit has written before it failed, or before
// a crash, comes again.
type Stdout struct{ output lineOutput }

var _ pipeline.Sink = (*Stdout)(nil)

// NewStdout returns a sink that writes to out, usually os.Stdout, and does not
// close it. Each Write that out gets is a run of whole lines.
func NewStdout(_ StdoutSettings, out io.Writer) *Stdout {
	return &Stdout{output: lineOutput{out: out, finish: func(_ int64, cause error) error {
		if cause == nil {
			return nil
		}
		return &pipeline.Error{Class: pipeline.Permanent, What: "cannot write to stdout", Err: cause}
	}}}
}

// Open hands out the lane. There are no positions.
func (s *Stdout) Open(_ context.Context, id pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	return s.output.open(id), nil, nil
}

// Close does nothing: the output belongs to the caller.
func (s *Stdout) Close() error { return nil }
