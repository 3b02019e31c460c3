package pipeline

import (
	"context"
	"fmt"
	"time"
)

// Lease decides which of several instances of a pipeline is active; the others
// stand by. It serves liveness alone: nobody may rely on it for safety. One that
// was stopped (SIGSTOP), or cut off, past the life of its lease still believes that
// it is active; what keeps it from doing harm is the lane's fence (rule 8) and what
// the source checks before it removes anything. Its methods are called one at a
// time.
type Lease interface {
	// Take takes the lease where nobody has it, and renews it where this instance
	// does. anew tells that this instance did not have it until now. The error is
	// *Taken where another has it; Unreachable where nobody can tell who has; nil
	// also where there can be no lease, which the implementation has logged.
	Take(ctx context.Context) (anew bool, err error)
	// Release gives the lease back, if this instance has it: another can take it at
	// once. After an error it runs out by itself.
	Release(ctx context.Context) error
	// Life is how long the lease lasts without being renewed.
	Life() time.Duration
}

// Taken is the error of Lease.Take where another instance is the active one.
type Taken struct {
	Instance string    // empty: it is not known
	Since    time.Time // by the clock of that instance
}

// Error names the instance.
func (t *Taken) Error() string {
	if t.Instance == "" {
		return "another instance is active"
	}
	return fmt.Sprintf("instance %s is active since %s", t.Instance, t.Since.Format(time.RFC3339))
}
