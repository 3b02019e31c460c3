package server

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// entry is a pipeline of a set.
type entry struct {
	set  *Set
	name string
	file string // it comes from; empty: the API

	// change is held by who changes the pipeline, for as long as that takes.
	change sync.Mutex

	// takes is what it takes away; Set.mu guards it.
	takes []pipeline.TakenAway

	// mu guards what is shown, beside changes.
	mu      sync.Mutex
	def     Stored // Text is that of the file, where there is one
	running *run   // nil: it is stopped
	route   string
	topics  []string
	stopped time.Time // when it was
	problem string    // what is wrong with its file now
}

func (s *Set) newEntry(def Stored, file string) *entry {
	return &entry{set: s, name: def.Name, file: file, def: def, stopped: time.Now()}
}

func (e *entry) origin() string { return cmp.Or(e.file, "api") }

// now gives its run; nil: it is stopped.
func (e *entry) now() *run {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.running
}

// status tells what it does.
func (e *entry) status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := Status{Name: e.name, State: Stopped, Since: e.stopped, Wanted: e.def.Wanted, Route: e.route, Origin: e.origin(),
		Problem: e.problem, Revision: e.def.Revision, Changed: e.def.Changed}
	if e.running == nil {
		return s
	}
	if e.running.job != nil {
		s.Figures = figuresOf(e.running.job.Engine)
	}
	if e.running.over() {
		s.Since = e.running.at
		switch {
		case e.running.err != nil:
			s.State, s.Reason = Failed, e.running.err.Error()
		case !e.running.halted.Load():
			s.Reason = "its sources are at their end"
		}
		return s
	}
	now := e.running.job.Engine.State()
	s.State, s.Reason, s.Since = stateOf[now.Name], now.Reason, now.Since
	if s.State == Stopped || s.State == Failed { // it has, and is about to close what it has
		s.State, s.Reason = Running, ""
	}
	return s
}

// parse reads its text again: variables and files may say something else by now.
func (e *entry) parse(ctx context.Context) (*config.Pipeline, error) {
	e.mu.Lock()
	text := []byte(e.def.Text)
	e.mu.Unlock()
	if e.file == "" {
		return e.set.parseText(ctx, text)
	}
	all, err := e.set.maker.Parse(ctx, config.File{Name: e.file, Data: text}, false)
	if err != nil {
		return nil, invalid(err)
	}
	return all[0], nil
}

// start makes a job of its text and runs it as wanted, whether or not who asked for it is
// still there. What is wrong is its state. e.change is held.
func (e *entry) start(ctx context.Context) {
	job, err := e.made(context.WithoutCancel(ctx))
	if err != nil {
		e.mu.Lock()
		e.running = failed(err)
		e.mu.Unlock()
		e.set.log.Error("pipeline cannot start", "pipeline", e.name, "error", err.Error())
		return
	}
	e.begin(job, e.def.Wanted)
}

// made makes a job of its text.
func (e *entry) made(ctx context.Context) (*Job, error) {
	p, err := e.parse(ctx)
	if err != nil {
		return nil, err
	}
	job, err := e.set.maker.Make(p)
	if err != nil {
		return nil, invalid(err)
	}
	if err := e.set.retake(e, job.takes()); err != nil {
		job.Close()
		return nil, err
	}
	return job, nil
}

// begin has a job run as wanted; a stopped one is closed. e.change is held.
func (e *entry) begin(job *Job, wanted State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.route, e.topics, e.running = job.Route, job.Topics, nil
	switch wanted {
	case Stopped:
		job.Close()
		e.stopped = time.Now()
		return
	case Paused:
		job.Engine.Pause()
	}
	e.running = begin(job)
}

// want notes what is wanted of it, and keeps that. e.change is held.
func (e *entry) want(wanted State) error {
	e.mu.Lock()
	def := e.def
	def.Wanted = wanted
	e.mu.Unlock()
	return e.redefine(def)
}

// redefine keeps a definition, and takes it on. e.change is held.
func (e *entry) redefine(def Stored) error {
	if err := e.set.keep(def, e.file); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.def = def
	return nil
}

// Pause has a pipeline read nothing until Resume; it keeps its connections. Errors: Missing.
func (s *Set) Pause(ctx context.Context, name string) error { return s.turn(ctx, name, Paused) }

// Resume has a pipeline run. Errors: Missing.
func (s *Set) Resume(ctx context.Context, name string) error { return s.turn(ctx, name, Running) }

// Stop has a pipeline settle what is under way, and frees its connections. It returns when
// that is done. Errors: Missing.
func (s *Set) Stop(ctx context.Context, name string) error { return s.turn(ctx, name, Stopped) }

// turn brings a pipeline into a state.
func (s *Set) turn(ctx context.Context, name string, wanted State) error {
	e, err := s.entryOf(name)
	if err != nil {
		return err
	}
	defer e.change.Unlock()
	if err := e.want(wanted); err != nil {
		return err
	}
	now := e.now()
	switch {
	case wanted == Stopped:
		now.halt()
		e.mu.Lock()
		e.running, e.stopped = nil, time.Now()
		e.mu.Unlock()
	case now == nil || now.over():
		e.start(ctx)
	case wanted == Paused:
		now.job.Engine.Pause()
	default:
		now.job.Engine.Resume()
	}
	s.log.Info("pipeline was changed", "pipeline", name, "wanted", string(wanted))
	return nil
}

// Restart ends a pipeline's run, and begins another one of the same text. Errors: Missing,
// Conflict where it is stopped.
func (s *Set) Restart(ctx context.Context, name string) error {
	e, err := s.entryOf(name)
	if err != nil {
		return err
	}
	defer e.change.Unlock()
	if e.def.Wanted == Stopped {
		return conflict(nil, "pipeline %s is stopped; resume it", name)
	}
	e.now().halt()
	e.start(ctx)
	return nil
}

// Delete ends a pipeline and forgets it; its positions stay where they are. revision is that
// which is to be deleted; 0: whichever. Errors: Missing, Stale, Conflict where a file has it.
func (s *Set) Delete(name string, revision uint64) error {
	e, err := s.entryOf(name)
	if err != nil {
		return err
	}
	defer e.change.Unlock()
	if err := e.changeable(revision); err != nil {
		return err
	}
	return s.remove(e)
}

// remove ends an entry and forgets it. e.change is held.
func (s *Set) remove(e *entry) error {
	if err := s.store.Delete(e.name); err != nil {
		return err
	}
	e.now().halt()
	s.leave(e)
	s.log.Info("pipeline was removed", "pipeline", e.name, "origin", e.origin())
	return nil
}

// changeable sees that the API may change it, as it was seen. e.change is held.
func (e *entry) changeable(revision uint64) error {
	if e.file != "" {
		return conflict(nil, "pipeline %s is that of the file %s; change it there", e.name, e.file)
	}
	if revision != 0 && revision != e.def.Revision {
		return &Error{Kind: Stale, What: "somebody has changed the pipeline since: get it again, and change that"}
	}
	return nil
}

// Replace gives a pipeline another text. What runs goes on until the other one was made and
// reaches its servers, and again where the other does not start: the error says why then.
// Secrets that are masked stay what they are. revision as in Delete. Errors: Missing,
// Invalid, Stale, Conflict.
func (s *Set) Replace(ctx context.Context, name string, text []byte, revision uint64) (Status, error) {
	return s.replaceAs(ctx, name, text, revision, false)
}

func (s *Set) replaceAs(ctx context.Context, name string, text []byte, revision uint64, flat bool) (Status, error) {
	e, err := s.entryOf(name)
	if err != nil {
		return Status{}, err
	}
	defer e.change.Unlock()
	if err := e.changeable(revision); err != nil {
		return Status{}, err
	}
	before, err := e.parse(ctx)
	if err != nil {
		before = nil // what was wrong with it is what is to be changed
	}
	p, whole, err := s.parseOne(ctx, text, before)
	if err != nil {
		return Status{}, err
	}
	if p.Name != name {
		return Status{}, conflict(nil, "the name of the pipeline is %s, and stays it: positions carry it; the text says %s", name, p.Name)
	}
	if err := e.replace(ctx, p, string(whole), flat); err != nil {
		return Status{}, err
	}
	return e.status(), nil
}

// replace gives it another text. e.change is held.
func (e *entry) replace(ctx context.Context, p *config.Pipeline, text string, flat bool) error {
	def := e.def
	if text == def.Text && !e.isOver() {
		return nil
	}
	job, err := e.set.maker.Make(p)
	if err != nil {
		return invalid(err)
	}
	before := e.takes
	if err := e.set.retake(e, job.takes()); err != nil {
		job.Close()
		return err
	}
	if e.now() != nil {
		if err := job.ping(ctx); err != nil {
			job.Close()
			e.set.retake(e, before) //nolint:errcheck // it had them a moment ago, and its lock is held
			return conflict(err, "pipeline %s goes on as it was: as it is to be, it does not reach its servers", e.name)
		}
	}
	def.Text, def.Flat, def.Revision, def.Changed = text, flat, def.Revision+1, time.Now()
	e.now().halt()
	e.begin(job, def.Wanted)
	if now := e.now(); now != nil {
		if err := now.starts(ctx); err != nil {
			e.start(ctx) // its text is the old one still
			return conflict(err, "pipeline %s goes on as it was: as it is to be, it does not start", e.name)
		}
	}
	if err := e.redefine(def); err != nil {
		e.now().halt()
		e.start(ctx)
		return err
	}
	e.set.log.Info("pipeline was changed", "pipeline", e.name, "revision", def.Revision)
	return nil
}

func (e *entry) isOver() bool {
	now := e.now()
	return now != nil && now.over()
}
