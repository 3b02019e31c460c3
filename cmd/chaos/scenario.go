package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// scenario is pipelines that run at once, and what is done to them.
type scenario struct {
	name       string
	what       string // a sentence
	shapes     []shape
	rate       int  // events a second
	counted    bool // the sizes say how many events there are at least; else as many as come meanwhile
	instances  int  // of each pipeline; 0: one
	poison     bool
	gaps       bool // events are taken away before they are read
	comeAgain  int  // how many records a fault may double beside those under way, by group
	metrics    bool // are served
	transforms []string
	more       func(name string) []string // lines of the pipeline
	env        []string                   // of Penstock
	timeout    time.Duration              // of a transaction; 0: 10 s
	long       bool                       // not in the short form, but with --long or by name
	faults     func(sizes) []fault
	// elsewhere starts another Redis than the one of all, and gives the world with that in
	// its place, and what ends it. nil: there is none.
	elsewhere func(context.Context, *world) (*world, func() error, error)
	// after, where it is not nil, looks at a pipeline that has ended, and gives what is
	// wrong with it.
	after func(context.Context, *run, *job) []string
}

func (s scenario) lines(name string) []string {
	if s.more == nil {
		return nil
	}
	return s.more(name)
}

// fault is something that is done, and undone before it returns.
type fault struct {
	name string
	do   func(context.Context, *run) error
}

// run is a scenario at work.
type run struct {
	*world
	scenario scenario
	sizes    sizes
	chance   *rand.Rand
	jobs     []*job
	over     chan struct{} // closed when no more faults come
}

// readLimit is how long reading and judging a topic may take.
const readLimit = 3 * time.Minute

// lookAtGaps is after how long without events Penstock has looked for gaps for sure: one
// that it has read over is found at the next start, or when nothing comes.
const lookAtGaps = 7 * time.Second

// scenario runs one, and gives a row for each of its pipelines. The error is one of
// this command: what Penstock did wrong stands in the rows.
func (c *chaos) scenario(ctx context.Context, s scenario) (_ []Row, err error) {
	w := c.world
	if s.elsewhere != nil {
		var stop func() error
		starting, cancel := context.WithTimeout(ctx, time.Minute)
		w, stop, err = s.elsewhere(starting, w)
		cancel()
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	r := &run{world: w, scenario: s, sizes: c.sizes, chance: seeded(c.options.seed, s.name), over: make(chan struct{})}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, of := range s.shapes {
		j, err := c.newJob(w, s, of)
		if err != nil {
			return nil, err
		}
		r.jobs = append(r.jobs, j)
	}
	began := time.Now()
	err = r.work(ctx, c)
	for _, j := range r.jobs {
		j.stop()
	}
	cancel()
	for _, j := range r.jobs {
		if j.pushing != nil {
			<-j.pushing.Done()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w; logs: %s", err, c.keep(r))
	}
	rows := make([]Row, len(r.jobs))
	for i, j := range r.jobs {
		rows[i] = r.judge(context.WithoutCancel(ctx), j)
		rows[i].Seconds = time.Since(began).Seconds()
		rows[i].Seed, rows[i].Long, rows[i].Time = c.options.seed, c.options.long, began.UTC()
		if !rows[i].OK() {
			rows[i].Log = c.keep(r)
		}
	}
	return rows, nil
}

// inVain gives the rows of a scenario that could not be carried out: they count as broken.
func (s scenario) inVain(o options, why error) []Row {
	rows := make([]Row, len(s.shapes))
	for i, of := range s.shapes {
		rows[i] = Row{Scenario: s.name, Shape: of, Seed: o.seed, Long: o.long, Time: time.Now().UTC()}
		rows[i].wrong("it could not be carried out: %v", why)
	}
	return rows
}

// work starts the pipelines and who pushes for them, injects the faults one after the
// other, and returns when everything has arrived. That it does not arrive is no error:
// the judgement tells.
func (r *run) work(ctx context.Context, c *chaos) error {
	for _, j := range r.jobs {
		for n := range max(r.scenario.instances, 1) {
			i, err := j.supervise(n + 1)
			if err != nil {
				return err
			}
			j.instances = append(j.instances, i)
		}
		events := 0
		if r.scenario.counted {
			events = r.sizes.events
		}
		j.push(ctx, events, r.scenario.rate, r.over)
	}
	for _, j := range r.jobs {
		if err := j.flows(ctx, 1); err != nil {
			return err
		}
	}
	all := r.scenario.faults(r.sizes)
	for n, f := range all {
		c.progress.say("%s: fault %d of %d, %s", r.scenario.name, n+1, len(all), f.name)
		if err := f.do(ctx, r); err != nil {
			return fmt.Errorf("fault %q: %w", f.name, err)
		}
		for _, j := range r.jobs {
			j.faults++
			j.look()
		}
		if err := wait(ctx, time.Duration(r.chance.Int64N(int64(500*time.Millisecond)))); err != nil {
			return err
		}
	}
	close(r.over)
	c.progress.say("%s: everything is to arrive", r.scenario.name)
	return r.arrive(ctx)
}

// arrive waits for the producers, and for what they pushed.
func (r *run) arrive(ctx context.Context) error {
	var all errgroup.Group
	for _, j := range r.jobs {
		all.Go(func() error {
			select {
			case <-j.pushing.Done():
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := j.pushing.Err(); err != nil {
				return err
			}
			if err := j.emptied(ctx, r.sizes.arrive); err != nil {
				j.note = err.Error()
			}
			j.look()
			if r.scenario.gaps {
				return wait(ctx, lookAtGaps)
			}
			return ctx.Err()
		})
	}
	return all.Wait()
}

// judge reads the topic, and gives the row.
func (r *run) judge(ctx context.Context, j *job) Row {
	row := Row{Scenario: r.scenario.name, Shape: j.shape, Faults: j.faults, Restarts: j.restarts(), PeakMiB: j.peak() >> 20}
	if j.note != "" {
		row.wrong("%s", j.note)
	}
	ends := map[string]int{}
	for _, i := range j.instances {
		for _, why := range i.failed {
			ends[why]++
		}
	}
	for _, why := range slices.Sorted(maps.Keys(ends)) {
		row.wrong("Penstock ended by itself, %d times: %s", ends[why], why)
	}
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	found, err := pipelinetest.Check(ctx, r.kafka.Addrs(), j.name, j.shop.Counts())
	if err != nil {
		row.wrong("%v", err)
		return row
	}
	row.take(j, found)
	if j.poison != nil {
		row.Poison = j.poison.made
		dead, err := pipelinetest.Check(ctx, r.kafka.Addrs(), j.name+"-dead", nil)
		if err != nil || dead.Records != row.Poison {
			row.wrong("%d of %d poisoned events are dead letters (%v)", dead.Records, row.Poison, err)
		}
	}
	if r.scenario.after != nil {
		row.Wrong = append(row.Wrong, r.scenario.after(ctx, r, j)...)
	}
	return row
}

// keep copies the scenario's files, and what its Redis servers said, to where they stay, and
// gives the directory.
func (c *chaos) keep(r *run) string {
	dir := filepath.Join(c.options.out, fmt.Sprintf("%s-%d", r.scenario.name, c.options.seed))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err.Error()
	}
	kept := map[string]string{} // where, by what
	for i, log := range r.logs() {
		kept[log] = fmt.Sprintf("%d-%s", i, filepath.Base(log))
	}
	for _, j := range r.jobs {
		files, _ := filepath.Glob(filepath.Join(j.dir, j.name+"*"))
		for _, file := range files {
			kept[file] = filepath.Base(file)
		}
	}
	for file, name := range kept {
		text, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o600)
		}
		if err != nil {
			return err.Error()
		}
	}
	return dir
}

// perJob makes a fault that is done to each pipeline, at once, with the chances of each.
func perJob(name string, do func(context.Context, *job) error) fault {
	return fault{name, func(ctx context.Context, r *run) error {
		all, ctx := errgroup.WithContext(ctx)
		for _, j := range r.jobs {
			all.Go(func() error { return do(ctx, j) })
		}
		return all.Wait()
	}}
}
