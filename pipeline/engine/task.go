package engine

import (
	"context"
	"errors"
	"hash/fnv"
	"maps"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// task carries some of a pipeline's shards through one lane of the sink. Tasks run
// side by side and share source, stages, sink, state and figures.
type task struct {
	*Engine
	cfg       Config // with the task's part of the window
	number    int    // of the lane
	state     troubles
	isolation isolation
	drain     drain
	memory    memory
	said      bool // where shards start
	started   bool // a session has opened its shards
	anew      bool // another instance may have had the lane since this one did
}

func newTask(e *Engine, number int) *task {
	t := &task{Engine: e, cfg: e.cfg, number: number, state: troubles{e.state, number}, isolation: isolation{max: e.cfg.Batch.Records}, memory: memory{}}
	tasks := max(e.cfg.Tasks, 1)
	t.cfg.Source = guardedSource{e.cfg.Source, t}
	t.cfg.Window = Window{Batches: max(e.cfg.Window.Batches/tasks, 1), Bytes: max(e.cfg.Window.Bytes/tasks, 1)}
	return t
}

// forget makes the next session the first one: what another instance has done since
// the last is not known here.
func (t *task) forget() { t.anew, t.started, t.memory = true, false, memory{} }

// owns tells whether a shard is the task's.
func (t *task) owns(shard string) bool {
	if len(t.tasks) == 1 {
		return true
	}
	hash := fnv.New32a()
	hash.Write([]byte(shard))
	return int(hash.Sum32()%uint32(len(t.tasks))) == t.number //nolint:gosec // there are few tasks
}

// run opens session after session until something ends the task for good; nil: it
// ended as it was told to.
func (t *task) run(ctx context.Context) error {
	backoff := newBackoff()
	for {
		started := time.Now()
		opened, err := t.session(ctx)
		if refused, ok := errors.AsType[*pipeline.Refused](err); ok {
			if err = t.isolation.refused(refused); err == nil {
				continue // at once: the search ends by itself
			}
		}
		if err == nil || ctx.Err() != nil && (!final(err) || errors.Is(err, context.Canceled)) {
			return nil
		}
		if final(err) {
			return err
		}
		if time.Since(started) > backoffForgets {
			backoff = newBackoff()
		}
		if opened {
			t.state.trouble(sessionTrouble, err)
		} else {
			t.state.trouble(laneTrouble, err)
		}
		if over := t.patienceOver(); over != nil {
			return over
		}
		if !sleep(ctx, backoff.next()) {
			return nil
		}
	}
}

// openLane opens the task's lane, and gives the positions of the task's shards.
// Tasks do so one after the other: the sink fences in that whoever ran before, and
// nobody who is just beginning. first is true at the very first start of the pipeline.
func (t *task) openLane(ctx context.Context) (lane pipeline.Lane, positions map[string]pipeline.Position, first bool, err error) {
	if err := take(ctx, t.opening); err != nil {
		return nil, nil, false, err
	}
	defer func() { <-t.opening }()
	defer t.recovered("the sink", &err, laneTrouble)
	lane, positions, err = t.cfg.Sink.Open(ctx, pipeline.LaneID{Pipeline: t.cfg.Name, Lane: t.number, Lanes: len(t.tasks), Instance: t.cfg.Instance, Anew: t.anew})
	if err != nil {
		return nil, nil, false, err
	}
	none := len(positions) == 0
	if !t.begun {
		t.begun, t.first = true, none
	}
	if len(t.tasks) > 1 {
		positions = maps.Clone(positions)
		maps.DeleteFunc(positions, func(shard string, _ pipeline.Position) bool { return !t.owns(shard) })
	}
	return lane, positions, none || t.first && !t.started, nil
}

// ask waits until no other task uses the source; asked lets the next one.
func (t *task) ask(ctx context.Context) error { return take(ctx, t.asking) }

func (t *task) asked() { <-t.asking }

// take waits for a channel of capacity one to be free, and fills it.
func take(ctx context.Context, token chan struct{}) error {
	select {
	case token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
