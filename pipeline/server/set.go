package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"path"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// Set is the pipelines of a server. Each runs on its own: one that fails, is slow or is
// changed leaves the others alone. Its methods may be called at once; changes of one
// pipeline happen one after the other.
type Set struct {
	maker Maker
	store Store
	log   *slog.Logger

	mu     sync.Mutex
	byName map[string]*entry
	files  map[string]string // what is wrong with files, by their names
	asked  map[string]State  // of pipelines of files, where it is not Running
	closed bool
	gone   func(name string) // told of pipelines that were removed; nil: nobody is
}

// NewSet makes a set that has no pipelines yet: Load and Follow give it some. The caller
// closes it, and the store after it.
func NewSet(maker Maker, store Store, log *slog.Logger) *Set {
	return &Set{maker: maker, store: store, log: log, byName: map[string]*entry{}, files: map[string]string{}, asked: map[string]State{}}
}

// loads is how many pipelines are made at once when a server starts.
const loads = 8

// Load starts the pipelines that came over the API before. One that cannot be made is
// Failed, and the others start.
func (s *Set) Load(ctx context.Context) error {
	all, err := s.store.All()
	if err != nil {
		return err
	}
	var starting errgroup.Group
	starting.SetLimit(loads)
	for _, stored := range all {
		if stored.Text == "" {
			s.mu.Lock()
			s.asked[stored.Name] = stored.Wanted // it comes with its file, if that is still there
			s.mu.Unlock()
			continue
		}
		e := s.newEntry(stored, "")
		s.mu.Lock()
		s.byName[e.name] = e
		s.mu.Unlock()
		starting.Go(func() error {
			e.change.Lock()
			defer e.change.Unlock()
			e.start(ctx)
			return nil
		})
	}
	return starting.Wait()
}

// Close stops all pipelines at once: each settles what is under way. It returns when the
// last has ended. What is asked for after is refused.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	all := slices.Collect(maps.Values(s.byName))
	s.mu.Unlock()
	var ending sync.WaitGroup
	for _, e := range all {
		ending.Go(func() {
			e.change.Lock()
			defer e.change.Unlock()
			e.now().halt()
		})
	}
	ending.Wait()
}

// entryOf gives a pipeline, with its lock for changes held; the caller gives it back.
func (s *Set) entryOf(name string) (*entry, error) {
	e := s.find(name)
	if e == nil {
		return nil, missing(name)
	}
	e.change.Lock()
	s.mu.Lock()
	gone, closed := s.byName[name] != e, s.closed
	s.mu.Unlock()
	if gone || closed {
		e.change.Unlock()
		if closed {
			return nil, errClosed
		}
		return nil, missing(name)
	}
	return e, nil
}

var errClosed = &Error{Kind: Conflict, What: "the server is stopping"}

// All gives what each pipeline does, by name.
func (s *Set) All() []Status {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.byName))
	s.mu.Unlock()
	statuses := make([]Status, len(all))
	for i, e := range all {
		statuses[i] = e.status()
	}
	slices.SortFunc(statuses, func(a, b Status) int { return cmp.Compare(a.Name, b.Name) })
	return statuses
}

// Files gives what is wrong with files of the folder, by name.
func (s *Set) Files() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.files)
}

// Status gives what a pipeline does. Errors: Missing.
func (s *Set) Status(name string) (Status, error) {
	e := s.find(name)
	if e == nil {
		return Status{}, missing(name)
	}
	return e.status(), nil
}

// Create adds a pipeline, and has it run, paused or stopped. It need not reach its servers:
// it waits for them. Errors: Invalid, and Conflict where there is one of that name, or one
// that takes away what it would.
func (s *Set) Create(ctx context.Context, text []byte, wanted State) (Status, error) {
	return s.create(ctx, "", text, wanted, false)
}

// create adds a pipeline, whose name has to be one; empty: any. flat tells how it was given.
func (s *Set) create(ctx context.Context, name string, text []byte, wanted State, flat bool) (Status, error) {
	p, text, err := s.parseOne(ctx, text, nil)
	if err != nil {
		return Status{}, err
	}
	if name != "" && p.Name != name {
		return Status{}, &Error{Kind: Invalid, What: "the text names the pipeline " + p.Name + ", and the request " + name}
	}
	return s.add(p, Stored{Name: p.Name, Text: string(text), Flat: flat, Wanted: wanted}, "")
}

// add makes an entry of a pipeline that was parsed, and starts it.
func (s *Set) add(p *config.Pipeline, stored Stored, file string) (Status, error) {
	job, err := s.maker.Make(p)
	if err != nil {
		return Status{}, invalid(err)
	}
	e := s.newEntry(stored, file)
	e.change.Lock()
	defer e.change.Unlock()
	if err := s.enter(e, job.takes()); err != nil {
		job.Close()
		return Status{}, err
	}
	e.def.Revision, e.def.Changed = stored.Revision+1, time.Now()
	if err := s.keep(e.def, file); err != nil {
		s.leave(e)
		job.Close()
		return Status{}, err
	}
	e.begin(job, stored.Wanted)
	s.log.Info("pipeline was added", "pipeline", e.name, "origin", e.origin(), "wanted", string(stored.Wanted))
	return e.status(), nil
}

// keep stores a definition: of a file's pipeline only what was asked for beside its text.
func (s *Set) keep(def Stored, file string) error {
	if file == "" {
		return s.store.Put(def)
	}
	s.mu.Lock()
	asked := s.asked[def.Name]
	s.asked[def.Name] = def.Wanted
	s.mu.Unlock()
	if def.Wanted == cmp.Or(asked, Running) {
		return nil
	}
	def.Text = ""
	return s.store.Put(def)
}

// enter notes an entry, unless its name or what it takes away is another's.
func (s *Set) enter(e *entry, takes []pipeline.TakenAway) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if other := s.byName[e.name]; other != nil {
		return conflict(nil, "there is a pipeline %s already, from %s", e.name, other.origin())
	}
	if err := s.free(e, takes); err != nil {
		return err
	}
	e.takes = takes
	s.byName[e.name] = e
	return nil
}

// retake changes what an entry takes away, unless it is another's.
func (s *Set) retake(e *entry, takes []pipeline.TakenAway) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.free(e, takes); err != nil {
		return err
	}
	e.takes = takes
	return nil
}

// free sees that nobody but e takes away what it wants to. s.mu is held.
func (s *Set) free(e *entry, takes []pipeline.TakenAway) error {
	for _, other := range s.byName {
		if other == e {
			continue
		}
		for _, a := range takes {
			for _, b := range other.takes {
				if a.Server == b.Server && overlap(a.Key, b.Key) {
					return conflict(nil, "pipelines %s and %s would both take away %s of %s, and each would get a part", e.name, other.name, a.Key, a.Server)
				}
			}
		}
	}
	return nil
}

// overlap tells of two keys, which may be patterns, whether they can name the same.
func overlap(a, b string) bool {
	one, _ := path.Match(a, b)
	other, _ := path.Match(b, a)
	return a == b || one || other
}

func (s *Set) leave(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byName, e.name)
	delete(s.asked, e.name)
	if s.gone != nil {
		s.gone(e.name)
	}
}

// parseOne reads text that came over the API, and gives it with its secrets: before is what
// masks in it may stand for; nil: nothing.
func (s *Set) parseOne(ctx context.Context, text []byte, before *config.Pipeline) (*config.Pipeline, []byte, error) {
	p, err := s.parseText(ctx, text)
	if err != nil {
		return nil, nil, err
	}
	whole, err := p.Restored(before)
	if err == nil && string(whole) != string(text) {
		p, err = s.parseText(ctx, whole)
	}
	if err != nil {
		return nil, nil, invalid(err)
	}
	return p, whole, nil
}

func (s *Set) parseText(ctx context.Context, text []byte) (*config.Pipeline, error) {
	all, err := s.maker.Parse(ctx, config.File{Name: apiFile, Data: text}, true)
	if err == nil && len(all) != 1 {
		err = &Error{Kind: Invalid, What: "a pipeline is one document, and this has several; send each by itself"}
	}
	if err != nil {
		return nil, invalid(err)
	}
	return all[0], nil
}

// apiFile is what the text of the API is called where mistakes have a place.
const apiFile = "pipeline.yaml"

// invalid gives what is wrong with a text its kind.
func invalid(err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	if mistakes, ok := errors.AsType[config.Errors](err); ok {
		return &Error{Kind: Invalid, What: "the pipeline has mistakes", Mistakes: mistakes}
	}
	return &Error{Kind: Invalid, What: "the pipeline cannot be made", Err: err}
}
