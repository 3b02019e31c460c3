package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// Policy is what becomes of a record that a stage refuses.
type Policy uint8

// The policies. Halt is the default: nothing is lost without a word.
const (
	Halt Policy = iota
	Drop
	DeadLetter
)

// Stage is one step between source and sink: a format or a transform.
type Stage struct {
	Name      string // "source.format", "transforms[2].filter"
	Transform pipeline.Transform
	OnError   Policy
	Retry     Retry
}

// Config is what a pipeline needs to run. Every field is needed unless it says
// otherwise.
type Config struct {
	Name     string
	Instance string // names this process to people and rivals; unique a start
	Source   pipeline.Source
	Stages   []Stage // in order; none: records go through as they came
	// Middlewares stand around the stages, the first outermost, inside what makes a
	// failed batch of an error or a panic. Their message is a batch: it has no payload
	// and no metadata, its context carries the batch, and ends when the batch is given
	// up. Several batches are handled at once, and more than Window.Batches never.
	//
	// A middleware MUST call next once and return after it, or return an error without
	// having called it: the batch fails then, and comes again, in order, after a pause.
	// It may wait before, measure, and bound the time by SetContext with a context made
	// of the message's own: transforms get it. It cannot hide an error of the stages,
	// nor ack, nack, copy or replace the batch. One that waits should end with the
	// context: a stop waits for what is under way, up to Shutdown.
	Middlewares []message.HandlerMiddleware
	Sink        pipeline.Sink
	// SourceKeepsPosition: the sink stores no positions, the source does.
	SourceKeepsPosition bool
	OnSinkError         Policy
	// DeadLetters keeps the dead letters, at least once. nil: the sink does, in its
	// transactions. The caller closes it.
	DeadLetters pipeline.DeadLetterWriter
	GiveUp      GiveUp
	// Tasks is how many lanes write at once; 0 is one. A shard belongs to one of them,
	// by a hash of its name, and the window is divided between them.
	Tasks         int
	Batch         pipeline.Limit // of one batch
	Window        Window         // of what is between Read and Commit
	CommitEvery   time.Duration  // the longest a busy transaction is open
	CommitRecords int            // the largest transaction
	UntilDrained  bool           // end when each shard is committed to the tail it had at start
	Patience      time.Duration  // how long UntilDrained waits for a server; 0: for ever
	Shutdown      time.Duration  // how long a stop may settle what is under way
	// Lease, where it is not nil, decides whether this instance is the active one.
	Lease pipeline.Lease
	Log   *slog.Logger
	// At, where it is not nil, is told each step of the protocol. Tests kill the
	// process there.
	At func(Point)
}

// Point is a step of the protocol.
type Point string

// The points, in the order a batch meets them.
const (
	Opened     Point = "opened"     // lane and shards are open, nothing was read
	Read       Point = "read"       // a batch was read
	Written    Point = "written"    // a transaction holds it
	Committing Point = "committing" // the commit is under way
	Letters    Point = "letters"    // its dead letters are kept, where a writer keeps them
	Committed  Point = "committed"  // it is committed, and not cleaned up
	Settled    Point = "settled"    // it is cleaned up
)

// Engine runs one pipeline.
type Engine struct {
	cfg   Config
	state *state
	stats *Stats
	tasks []*task
	// refusals are those of all tasks.
	refusals refusals
	// Who fills these opens a lane, or uses the source.
	opening, asking chan struct{}
	// begun is true once a lane was opened, and first where the sink knew no position
	// of the pipeline then. Guarded by opening.
	begun, first bool
	ended        atomic.Bool // a task whose shards are all at their end
	gate         gate
	tap          tap
	// takenBack is when the lane was last taken back from a rival without the lease.
	takenBack time.Time
}

// New makes an engine. It starts nothing; Run does.
func New(cfg Config) *Engine {
	e := &Engine{cfg: cfg, state: newState(cfg.Log), stats: newStats(), opening: make(chan struct{}, 1), asking: make(chan struct{}, 1), refusals: refusals{limit: cfg.GiveUp}}
	for n := range max(cfg.Tasks, 1) {
		e.tasks = append(e.tasks, newTask(e, n))
	}
	return e
}

// Stats gives the counters. They are valid before, during and after Run.
func (e *Engine) Stats() *Stats { return e.stats }

// State gives what the pipeline is doing.
func (e *Engine) State() State {
	now := e.state.get()
	if since, shut := e.gate.isShut(); shut && (now.Name == Running || now.Name == Degraded) {
		return State{Name: Paused, Reason: now.Reason, Since: later(since, now.Since)}
	}
	return now
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Run moves records until ctx ends (then it stops reading, settles what is
// under way and returns nil), the sources are at their end or, with
// UntilDrained, drained. What passes is waited for; errors are of class
// Permanent (a record halts the pipeline, a setting is impossible), Gap, Fenced
// (where there is no lease, or the rival does not heed it), or Unreachable when the
// patience is over or a stop could not settle in time (nothing is lost then: it
// comes again). The caller closes source and sink.
func (e *Engine) Run(ctx context.Context) error {
	run := e.work
	if e.cfg.Lease != nil {
		run = e.inTurns
	}
	err := run(ctx)
	e.state.stop(err)
	return err
}

// work runs the tasks until all of them have ended.
func (e *Engine) work(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	var failed sync.Once
	var err error
	for _, t := range e.tasks {
		running.Go(func() {
			if why := t.run(ctx); why != nil {
				failed.Do(func() { err = why })
				stop() // the others
			}
		})
	}
	running.Wait()
	return err
}

// final tells whether waiting cannot help.
func final(err error) bool {
	if _, ok := errors.AsType[*outOfPatience](err); ok {
		return true
	}
	switch pipeline.ClassOf(err) {
	case pipeline.Permanent, pipeline.Gap, pipeline.Fenced:
		return true
	default:
		return false
	}
}

// outOfPatience ends a run that waits too long for a server.
type outOfPatience struct{ what string }

func (o *outOfPatience) Error() string { return o.what }

// Unwrap gives the error its class.
func (o *outOfPatience) Unwrap() error {
	return &pipeline.Error{Class: pipeline.Unreachable, What: o.what}
}

// patienceOver gives the error to end with, when a server has been away, or another
// instance active, for longer than the patience of UntilDrained.
func (e *Engine) patienceOver() error {
	if !e.cfg.UntilDrained || e.cfg.Patience == 0 {
		return nil
	}
	since, reason, waits := e.state.waitsSince()
	if !waits || time.Since(since) < e.cfg.Patience {
		return nil
	}
	return &outOfPatience{"pipeline " + e.cfg.Name + " waited " + e.cfg.Patience.String() + " (--patience) in vain: " + reason}
}

func (e *Engine) at(p Point) {
	if e.cfg.At != nil {
		e.cfg.At(p)
	}
}
