package engine

import (
	"context"
	"runtime"
	"sync"
)

// batchesAhead is how many batches of a shard may be between Read and the lane
// for each processor: those that are transformed, and those that wait while a
// commit has the turn.
const batchesAhead = 8

// A generation is one run of a shard's reader without a failure. Its context
// ends with the first failure; tickets that wait are refused then.
type generation struct {
	ctx  context.Context
	fail context.CancelCauseFunc
	// slots holds a token for each batch between Read and the lane: what cannot
	// be transformed yet is better left in the source than kept in memory.
	slots chan struct{}
	// last is, for each place where order matters, the channel that the newest
	// batch will close when it has passed.
	last []chan struct{}
	// held is how many of the slots nobody gets before the first batch has passed.
	held  int
	first sync.Once
}

// newGeneration begins a generation with so many ordered places. A careful one has one
// batch under way until that has passed: after a failure one tells whether the next
// would fail too, and a circuit breaker that lets one through lets none of the others.
func newGeneration(ctx context.Context, places int, careful bool) *generation {
	g := &generation{last: make([]chan struct{}, places), slots: make(chan struct{}, batchesAhead*runtime.GOMAXPROCS(0))}
	if careful {
		g.held = cap(g.slots) - 1
	}
	for range g.held {
		g.slots <- struct{}{}
	}
	g.ctx, g.fail = context.WithCancelCause(ctx)
	for i := range g.last {
		g.last[i] = make(chan struct{})
		close(g.last[i])
	}
	return g
}

// passed says that a batch has passed: a careful generation is one like others then.
func (g *generation) passed() {
	g.first.Do(func() {
		for range g.held {
			<-g.slots
		}
	})
}

// ticket is the turn of one batch at one place.
type ticket struct {
	turn   <-chan struct{}
	passed chan struct{}
}

// tickets gives the next batch its turns. Only the reading goroutine calls it.
func (g *generation) tickets() []ticket {
	out := make([]ticket, len(g.last))
	for i := range out {
		out[i] = ticket{turn: g.last[i], passed: make(chan struct{})}
		g.last[i] = out[i].passed
	}
	return out
}

// wait returns true when all earlier batches have passed, false when the
// generation has ended.
func (t ticket) wait(ctx context.Context) bool {
	if !ticketsCount {
		return ctx.Err() == nil
	}
	select {
	case <-t.turn:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// pass lets the next batch in.
func (t ticket) pass() { close(t.passed) }
