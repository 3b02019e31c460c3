package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// shardNames gives names that three tasks share between them.
func shardNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("shard-%d", i)
	}
	return names
}

func TestTasksShareTheShards(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Tasks = 3
		var mu sync.Mutex
		lanes := map[string]map[string]bool{} // by shard
		r.sink.commit = func(_ context.Context, l *entry) (bool, error) {
			mu.Lock()
			defer mu.Unlock()
			for _, b := range l.held {
				if lanes[b.Shard] == nil {
					lanes[b.Shard] = map[string]bool{}
				}
				lanes[b.Shard][l.name] = true
			}
			return true, nil
		}
		shards := shardNames(12)
		for _, shard := range shards {
			r.source.fill(shard, 95)
			r.source.seal(shard)
		}
		if err := r.run(); err != nil {
			r.Fatal(err)
		}
		r.complete(shards...)
		used := map[string]bool{}
		for shard, names := range lanes {
			if len(names) != 1 {
				r.Errorf("shard %s went through the lanes %v", shard, names)
			}
			for name := range names {
				used[name] = true
			}
		}
		if len(used) != 3 {
			r.Errorf("the lanes used are %v", used)
		}
		if n := r.reconciles(); n.Written != 12*95 {
			r.Errorf("counted %+v", n)
		}
	})
}

func TestTasksThatFailLoseAndDoubleNothing(t *testing.T) {
	eachSeed(t, func(r *rig, d *dice) {
		r.cfg.Tasks = 3
		r.source.open = func(string) error { return d.fails(8, "opening") }
		r.source.read = func(string) error { return d.fails(15, "reading") }
		r.sink.open = func(context.Context) error { return d.fails(4, "opening the lane") }
		r.sink.commit = func(ctx context.Context, _ *entry) (bool, error) {
			pause(ctx, time.Duration(d.below(40))*time.Millisecond)
			if err := d.fails(6, "committing"); err != nil {
				return d.one(2), err // committed, or not
			}
			return true, nil
		}
		remembers := &memory{watch: r.watch, before: chaos(d)}
		r.cfg.Stages = []engine.Stage{{Name: "memory", Transform: remembers}, {Name: "last", Transform: chaos(d)}}
		r.chaosRun(shardNames(5)...)
	})
}

// A task that has no shard ends with the others.
func TestMoreTasksThanShards(t *testing.T) {
	for _, drained := range []bool{false, true} {
		bubble(t, func(r *rig) {
			r.cfg.Tasks, r.cfg.UntilDrained = 8, drained
			r.source.fill("a", 30)
			if !drained {
				r.source.seal("a")
			}
			if err := r.run(); err != nil {
				r.Fatal(err)
			}
			r.complete("a")
		})
	}
}

// What ends one task ends all, with its error.
func TestTaskThatFails(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Tasks = 3
		shards := shardNames(6)
		for _, shard := range shards {
			r.source.fill(shard, 50)
		}
		r.cfg.Stages = []engine.Stage{{Name: "refuses", Transform: apply(func(_ context.Context, b *pipeline.Batch) error {
			if b.Shard == shards[2] {
				b.Records[0].Fail(errors.New("no"))
			}
			return nil
		})}}
		err := r.run()
		if pipeline.ClassOf(err) != pipeline.Permanent || !strings.Contains(err.Error(), shards[2]) {
			r.Errorf("got %v", err)
		}
		if s := r.engine.State(); s.Name != engine.Failed || s.Reason != err.Error() {
			r.Errorf("the state is %+v", s)
		}
	})
}

// The tasks have one first start: that one of them has committed where its shards
// start does not make it a later one for the others, and a shard that comes after it
// is read from its beginning.
func TestTasksHaveOneFirstStart(t *testing.T) {
	bubble(t, func(r *rig) {
		r.cfg.Tasks = 3
		shards := shardNames(6)
		failures := 3
		r.source.open = func(shard string) error {
			if shard == shards[1] {
				if failures--; failures >= 0 {
					return unreachable("its node")
				}
			}
			return nil
		}
		for _, shard := range shards {
			r.source.fill(shard, 100)
			r.source.shards[shard].newest = true
		}
		stop := r.start()
		r.until("all are open", func() bool {
			for _, shard := range shards {
				if r.sink.position(shard) != 100 {
					return false
				}
			}
			return true
		})
		r.source.fill("later", 20)
		r.source.shards["later"].newest = true
		r.until("the later one moves", func() bool { return len(r.sink.got("later")) == 20 })
		if err := stop(); err != nil {
			r.Error(err)
		}
	})
}
