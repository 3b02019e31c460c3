package server

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// Committed is how far a shard of a pipeline is delivered.
type Committed struct {
	Shard    string    `json:"shard" doc:"Which."`
	Position string    `json:"position" doc:"Up to and with which record."`
	Time     time.Time `json:"time" doc:"When that was committed."`
	Instance string    `json:"instance" doc:"By which process."`
}

// Positions gives how far a pipeline's shards are delivered, as its sink stores that; nothing
// where the sink stores no positions. It may be running, or stopped. Errors: Missing, Invalid
// where it cannot be made, and those of the sink.
func (s *Set) Positions(ctx context.Context, name string) ([]Committed, error) {
	e, err := s.entryOf(name)
	if err != nil {
		return nil, err
	}
	job, err := e.made(ctx)
	e.change.Unlock()
	if err != nil {
		return nil, err
	}
	defer job.Close()
	store, ok := job.Sink.(pipeline.PositionStore)
	if !ok {
		return []Committed{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	found, _, err := store.Committed(ctx, name)
	if err != nil {
		return nil, err
	}
	all := []Committed{}
	for shard, c := range found {
		all = append(all, Committed{shard, c.Offset.String(), c.Time, c.Instance})
	}
	slices.SortFunc(all, func(a, b Committed) int { return cmp.Compare(a.Shard, b.Shard) })
	return all, nil
}

// move does something with a pipeline that is stopped, and stays so meanwhile. Errors:
// Missing, Conflict where it is not stopped.
func (s *Set) move(ctx context.Context, name string, do func(p *config.Pipeline) (any, error)) (any, error) {
	e, err := s.entryOf(name)
	if err != nil {
		return nil, err
	}
	defer e.change.Unlock()
	if e.def.Wanted != Stopped {
		return nil, conflict(nil, "pipeline %s is not stopped: its positions are its own while it is not; stop it first", name)
	}
	p, err := e.parse(ctx)
	if err != nil {
		return nil, err
	}
	return do(p)
}

// topicsOf gives the topics that a pipeline writes to; none where that is not known.
func (s *Set) topicsOf(name string) []string {
	if e := s.find(name); e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.topics
	}
	return nil
}

// Engine gives the engine of a pipeline's run, or of its last one; nil: it has none.
func (s *Set) Engine(name string) *engine.Engine {
	if e := s.find(name); e != nil {
		if now := e.now(); now != nil && now.job != nil {
			return now.job.Engine
		}
	}
	return nil
}

// plugins gives the programs that do transforms, by pipeline.
func (s *Set) plugins() []PluginStatus {
	all := []PluginStatus{}
	for _, status := range s.All() {
		if e := s.find(status.Name); e != nil {
			if now := e.now(); now != nil && now.job != nil {
				all = append(all, now.job.Plugins...)
			}
		}
	}
	return all
}

// isFlat tells whether a pipeline was given as flat keys.
func (s *Set) isFlat(name string) bool {
	if e := s.find(name); e != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.def.Flat
	}
	return false
}

// find gives an entry; nil: there is none.
func (s *Set) find(name string) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byName[name]
}
