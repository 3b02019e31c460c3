package engine_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an engine between tapes and a ledger.
type rig struct {
	*testing.T
	watch  *witness
	source *tapes
	sink   *ledger
	log    *lines
	cfg    engine.Config
	engine *engine.Engine
}

// bubble runs a test of a rig where time is not real: it passes when all wait.
// A goroutine that is left at the end fails the test.
func bubble(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &witness{}
		r := &rig{T: t, watch: w, source: newTapes(w), sink: newLedger(w), log: &lines{}}
		r.cfg = engine.Config{
			Name: "test", Instance: "one", Source: r.source, Sink: r.sink,
			Batch: pipeline.Limit{Records: 10, Bytes: 1000}, Window: engine.Window{Batches: 8, Bytes: 10_000},
			CommitEvery: 50 * time.Millisecond, CommitRecords: 1000, Shutdown: 20 * time.Second,
			Log: slog.New(slog.NewTextHandler(r.log, nil)),
		}
		test(r)
		synctest.Wait()
		for _, wrong := range w.saw() {
			t.Error(wrong)
		}
		if readers, lanes := w.readers.Load(), w.lanes.Load(); readers != 0 || lanes != 0 {
			t.Errorf("%d readers and %d lanes were left open", readers, lanes)
		}
	})
}

// start runs the engine. The function it returns stops it and gives the error.
func (r *rig) start() (stop func() error) {
	r.engine = engine.New(r.cfg)
	return r.begin()
}

// begin runs the engine that was made already.
func (r *rig) begin() (stop func() error) {
	ctx, cancel := context.WithCancel(r.Context())
	done := make(chan error, 1)
	go func() { done <- r.engine.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

// run runs the engine to its end.
func (r *rig) run() error {
	r.engine = engine.New(r.cfg)
	return r.engine.Run(r.Context())
}

// until lets time pass until the condition holds.
func (r *rig) until(what string, holds func() bool) {
	r.Helper()
	for range 100_000 {
		synctest.Wait()
		if holds() {
			return
		}
		pause(r.Context(), time.Millisecond)
	}
	r.Fatalf("in vain: %s; state %+v", what, r.engine.State())
}

// pause is false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// complete checks that all records of the shards were delivered, each once and
// in order.
func (r *rig) complete(shards ...string) {
	r.Helper()
	for _, shard := range shards {
		if got, want := r.sink.got(shard), r.source.all(shard); !slices.Equal(got, want) {
			r.Errorf("shard %s: delivered %d of %d records: %s", shard, len(got), len(want), difference(got, want))
		}
	}
}

func difference(got, want []string) string {
	for i := range want {
		if i >= len(got) {
			return "the rest is missing"
		}
		if got[i] != want[i] {
			return "at place of " + want[i] + " is " + got[i]
		}
	}
	return "too many"
}

// reconciles checks a snapshot: every record has one fate.
func (r *rig) reconciles() engine.Counts {
	r.Helper()
	n := r.engine.Stats().Snapshot().Counts
	if n.Read+n.Split != n.Written+n.Filtered+n.Duplicates+n.Dropped+n.DeadLettered {
		r.Errorf("the counters do not reconcile: %+v", n)
	}
	return n
}

// lines keeps a log.
type lines struct {
	mu  sync.Mutex
	log bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.Write(p)
}

// with gives the lines that hold a text.
func (l *lines) with(text string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(strings.Split(l.log.String(), "\n"), func(line string) bool { return line == "" || !strings.Contains(line, text) })
}

// apply is a transform of one function.
type apply func(ctx context.Context, b *pipeline.Batch) error

func (f apply) Apply(ctx context.Context, b *pipeline.Batch) error { return f(ctx, b) }

// unreachable is the error of a server that does not answer.
func unreachable(who string) error {
	return &pipeline.Error{Class: pipeline.Unreachable, What: who + " does not answer"}
}
