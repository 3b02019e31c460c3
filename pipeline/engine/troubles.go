package engine

import (
	"maps"
	"slices"
)

// troubles are those of one task.
type troubles struct {
	state *state
	task  int
}

// trouble says that something does not go on, and why.
func (t troubles) trouble(of string, err error) { t.state.trouble(troubled{t.task, of}, err) }

// well says that something goes on.
func (t troubles) well(of string) { t.state.well(troubled{t.task, of}) }

// has tells whether something is in trouble.
func (t troubles) has(of string) bool { return t.state.has(troubled{t.task, of}) }

// opened says that lane and shards are open: what an earlier session ran into is
// over, but for its commits.
func (t troubles) opened() {
	t.state.mu.Lock()
	all := slices.Collect(maps.Keys(t.state.troubles))
	t.state.mu.Unlock()
	for _, of := range all {
		if of.task == t.task && of.of != sessionTrouble {
			t.state.well(of)
		}
	}
	t.well(laneTrouble)
}
