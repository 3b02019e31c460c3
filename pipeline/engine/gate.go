package engine

import (
	"context"
	"sync"
	"time"
)

// gate is what reading goes through: shut, nothing more is read.
type gate struct {
	mu    sync.Mutex
	shut  chan struct{} // closed when it opens; nil: it is open
	since time.Time     // it was shut
}

// set shuts the gate, or opens it.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case shut && g.shut == nil:
		g.shut, g.since = make(chan struct{}), time.Now()
	case !shut && g.shut != nil:
		close(g.shut)
		g.shut = nil
	}
}

// isShut tells whether it is, and since when.
func (g *gate) isShut() (since time.Time, shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.since, g.shut != nil
}

// pass returns when the gate is open; the error is that of ctx.
func (g *gate) pass(ctx context.Context) error {
	for {
		g.mu.Lock()
		shut := g.shut
		g.mu.Unlock()
		if shut == nil {
			return ctx.Err()
		}
		select {
		case <-shut:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Pause stops reading: what is under way is settled, connections, lanes and the lease are
// kept, and State is Paused once it would be running or degraded. It may be called before,
// during and after Run, and again.
func (e *Engine) Pause() { e.gate.set(true) }

// Resume ends a Pause.
func (e *Engine) Resume() { e.gate.set(false) }
