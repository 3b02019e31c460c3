package server

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Memory is a Store that ends with its process: for demonstrations.
type Memory struct {
	mu  sync.Mutex
	all map[string]Stored
}

var _ Store = (*Memory)(nil)

// All gives all there are, by name.
func (m *Memory) All() ([]Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.all), func(a, b Stored) int { return strings.Compare(a.Name, b.Name) }), nil
}

// Put keeps a pipeline.
func (m *Memory) Put(s Stored) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = map[string]Stored{}
	}
	m.all[s.Name] = s
	return nil
}

// Delete forgets a pipeline.
func (m *Memory) Delete(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, name)
	return nil
}

// Close does nothing.
func (m *Memory) Close() error { return nil }
