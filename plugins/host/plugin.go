package host

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/wire"
)

// Plugin is a pipeline.Transform whose work is done by processes of a plugin. They start
// with the first batch, and end with Close.
type Plugin struct {
	settings Settings
	dir      string // absolute: where it runs, and relative paths begin
	pipeline string
	name     string // in messages
	log      *slog.Logger
	plain    atomic.Bool // the plugin speaks no TLS

	next  atomic.Uint64
	pool  []*slot
	alone slot // used by one batch at a time, which some process has not survived
	sole  chan struct{}
	stats stats

	unlimited sync.Once // a warning that nothing is limited

	memory   sync.Pool // of blocks, []byte
	patience time.Duration
}

// slot is the place of a process.
type slot struct {
	mu       sync.Mutex
	live     *instance // nil: none has started, or it is gone
	failed   error     // why none could be started, until
	until    time.Time
	backoff  time.Duration
	launched bool
}

// New makes the plugin of settings, whose relative paths begin at a folder. It starts and
// looks for nothing. The error is that of filepath.Abs.
func New(s Settings, pipelineName, dir string, log *slog.Logger) (*Plugin, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	name := s.nameOf()
	p := &Plugin{settings: s, dir: dir, pipeline: pipelineName, name: name, log: log.With("plugin", name), sole: make(chan struct{}, 1), memory: sync.Pool{New: func() any { return []byte(nil) }}, patience: startPatience}
	for range max(s.Instances, 1) {
		p.pool = append(p.pool, &slot{})
	}
	return p, nil
}

// Name is what messages call the plugin.
func (p *Plugin) Name() string { return p.name }

// Digest gives the SHA-256 to pin, as settings take it, and the files that it is taken of:
// the program, and those among its arguments. Errors: Permanent, of the program.
func (p *Plugin) Digest() (sum string, files []string, err error) {
	program, err := find(p.settings, p.dir)
	if err != nil {
		return "", nil, err
	}
	sum, err = program.digest()
	return sum, program.files, err
}

// Describe starts a process, asks the plugin what it is, and ends it.
func (p *Plugin) Describe(ctx context.Context) (*wire.DescribeResponse, error) {
	i, err := p.launch(ctx)
	if err != nil {
		return nil, err
	}
	defer i.stop()
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	d, err := i.rpc.Describe(ctx, &wire.DescribeRequest{})
	if err != nil {
		return nil, p.fault("does not say what it is", err)
	}
	return d, nil
}

// Check starts a process, and gives what the plugin says against its settings. It ends the
// process. The error is that it cannot be asked.
func (p *Plugin) Check(ctx context.Context) ([]pipeline.Problem, error) {
	i, err := p.launch(ctx)
	if err != nil {
		return nil, err
	}
	defer i.stop()
	return p.open(ctx, i)
}

// open hands the settings to a process.
func (p *Plugin) open(ctx context.Context, i *instance) ([]pipeline.Problem, error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	settings := []byte("{}")
	if p.settings.Settings != nil {
		var err error
		if settings, err = json.Marshal(p.settings.Settings); err != nil {
			return nil, err
		}
	}
	answer, err := i.rpc.Open(ctx, &wire.OpenRequest{Pipeline: p.pipeline, Settings: string(settings)})
	if err != nil {
		return nil, p.fault("does not take its settings", err)
	}
	var problems []pipeline.Problem
	for _, problem := range answer.Problems {
		problems = append(problems, pipeline.Problem{Field: shortened(problem.Field), What: shortened(problem.What), Do: shortened(problem.Do)})
	}
	return problems, nil
}

func (p *Plugin) fault(what string, err error) error {
	return &pipeline.Error{Class: pipeline.Retryable, What: "plugin " + p.name + " " + what, Err: errors.New(shortened(err.Error())), Do: "see what it logs"}
}

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 10 * time.Second
)

// instance gives the process of a slot, and starts one where there is none. A failure is
// not tried again before some time has passed: it is the error until then.
func (p *Plugin) instance(ctx context.Context, s *slot) (*instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live != nil && !s.live.gone() {
		return s.live, nil
	}
	if s.live != nil {
		s.live.kill()
		s.live = nil
	}
	if s.failed != nil && time.Now().Before(s.until) {
		return nil, s.failed
	}
	i, err := p.unlessStopped(ctx)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, pipeline.ErrStopping) {
			err = &pipeline.Error{Class: pipeline.Retryable, What: "a process of plugin " + p.name, Err: err} // whatever it is may be mended
			s.backoff = min(max(2*s.backoff, firstBackoff), maxBackoff)
			s.failed, s.until = err, time.Now().Add(s.backoff)
		}
		return nil, err
	}
	if s.launched {
		p.stats.restarts.Add(1)
	}
	s.live, s.launched, s.failed, s.backoff = i, true, nil, 0
	return i, nil
}

// unlessStopped starts a process and opens it. A pipeline that is to stop does not wait for
// it: the error is pipeline.ErrStopping then.
func (p *Plugin) unlessStopped(ctx context.Context) (*instance, error) {
	within, giveUp := context.WithCancel(ctx)
	var paused error
	var watch sync.WaitGroup
	watch.Go(func() {
		const longer = time.Hour // than any start takes
		if paused = pipeline.Pause(within, longer); errors.Is(paused, pipeline.ErrStopping) {
			giveUp()
		}
	})
	i, err := p.opened(within)
	giveUp()
	watch.Wait()
	if err != nil && errors.Is(paused, pipeline.ErrStopping) {
		return nil, paused
	}
	return i, err
}

// opened starts a process and opens it.
func (p *Plugin) opened(ctx context.Context) (*instance, error) {
	i, err := p.launch(ctx)
	if err != nil {
		return nil, err
	}
	problems, err := p.open(ctx, i)
	if err == nil && len(problems) > 0 {
		err = &pipeline.Error{Class: pipeline.Permanent, What: "plugin " + p.name + " refuses its settings: " + strings.TrimSpace(problems[0].Field+" "+problems[0].What), Do: problems[0].Do}
	}
	if err == nil {
		var d *wire.DescribeResponse
		if d, err = i.rpc.Describe(ctx, &wire.DescribeRequest{}); err != nil {
			err = p.fault("does not say what it is", err)
		} else {
			i.decoded = d.Values != wire.Values_BYTES
		}
	}
	if err != nil {
		i.kill()
		return nil, err
	}
	i.removeFiles()
	return i, nil
}

// Close ends the processes: each when it has done what it does, or after some seconds.
func (p *Plugin) Close() error {
	var all sync.WaitGroup
	for _, s := range append([]*slot{&p.alone}, p.pool...) {
		all.Go(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.live != nil {
				s.live.stop()
				s.live = nil
			}
		})
	}
	all.Wait()
	return nil
}
