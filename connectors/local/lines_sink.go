package local

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"

	"github.com/penstock-io/penstock/pipeline"
)

// writeAhead is how many bytes of lines are written at once.
const writeAhead = 64 << 10

// lineOutput writes the records of lanes as lines, one commit after the other.
type lineOutput struct {
	mu sync.Mutex
	// out takes the lines; every Write is a run of whole ones.
	out io.Writer
	// finish makes the bytes of a commit last, or with a cause takes back those
	// that were written, as far as it can. It gives the error of the commit.
	finish func(written int64, cause error) error
	owners map[laneName]*lineLane
	buffer []byte
}

// laneName is what two lanes must not share.
type laneName struct {
	pipeline string
	lane     int
}

// errFenced is what a lane says that another has taken the place of.
var errFenced = &pipeline.Error{Class: pipeline.Fenced, What: "the lane was opened again"}

// open hands out the lane, whose earlier owner in this process loses it.
func (o *lineOutput) open(id pipeline.LaneID) *lineLane {
	o.mu.Lock()
	defer o.mu.Unlock()
	lane := &lineLane{output: o, name: laneName{id.Pipeline, id.Lane}}
	if o.owners == nil {
		o.owners = make(map[laneName]*lineLane)
	}
	o.owners[lane.name] = lane
	return lane
}

// write writes the values of the batches, a line each, and counts the bytes
// that were written.
func (o *lineOutput) write(batches []*pipeline.Batch) (written int64, err error) {
	buffer := o.buffer[:0]
	flush := func() error {
		n, err := o.out.Write(buffer)
		written += int64(n)
		buffer = buffer[:0]
		return err
	}
	for _, b := range batches {
		for r := range b.Live {
			buffer = append(append(buffer, r.Value.Raw()...), '\n')
			if len(buffer) < writeAhead {
				continue
			}
			if err := flush(); err != nil {
				return written, err
			}
		}
	}
	if len(buffer) > 0 {
		err = flush()
	}
	if cap(buffer) <= 4*writeAhead {
		o.buffer = buffer
	}
	return written, err
}

// lineLane holds batches until their commit, which writes them.
type lineLane struct {
	output  *lineOutput
	name    laneName
	batches []*pipeline.Batch
	closed  atomic.Bool
}

// Check refuses a value that would become two lines.
func (l *lineLane) Check(r *pipeline.Record) error {
	if bytes.IndexByte(r.Value.Raw(), '\n') >= 0 {
		return &pipeline.Error{
			Class: pipeline.Permanent, What: "the value holds a newline and would become two lines",
			Do: "write format: json at the sink",
		}
	}
	return nil
}

func (l *lineLane) Write(_ context.Context, b *pipeline.Batch) error {
	if l.closed.Load() {
		return errClosed
	}
	for i := range b.Records {
		if b.Records[i].Fate == pipeline.DeadLettered {
			return &pipeline.Error{
				Class: pipeline.Permanent, What: "this sink has no place for dead letters",
				Do: "write then: drop or then: halt",
			}
		}
	}
	l.batches = append(l.batches, b)
	return nil
}

// Commit writes the lines; a write that blocks is waited for beyond ctx. The
// positions are not stored.
func (l *lineLane) Commit(ctx context.Context, _ map[string]pipeline.Position) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	o := l.output
	o.mu.Lock()
	defer o.mu.Unlock()
	if l.closed.Load() {
		return errClosed
	}
	if o.owners[l.name] != l {
		return errFenced
	}
	err := o.finish(o.write(l.batches))
	clear(l.batches)
	l.batches = l.batches[:0]
	if err != nil {
		l.closed.Store(true)
	}
	return err
}

// Close waits for a Commit that is under way.
func (l *lineLane) Close(context.Context) error {
	l.output.mu.Lock()
	defer l.output.mu.Unlock()
	l.closed.Store(true)
	return nil
}
