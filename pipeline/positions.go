package pipeline

import (
	"context"
	"time"
)

// Committed is the position of a shard as a sink stores it.
type Committed struct {
	Position
	Time     time.Time // of the commit, by the clock of who committed
	Instance string    // who did
}

// Claim says who took a lane last.
type Claim struct {
	Lane, Lanes int
	Instance    string
	Time        time.Time // by the clock of the instance
}

// PositionStore is a Sink that stores positions, and shows them to whoever asks.
type PositionStore interface {
	Sink
	// Committed gives the positions by shard, and the claims by lane, that are
	// committed of a pipeline. It takes no lane, and fences nobody: the pipeline may be
	// running. Errors as those of Open.
	Committed(ctx context.Context, pipeline string) (map[string]Committed, []Claim, error)
}

// Forgetter is a Lane of a PositionStore.
type Forgetter interface {
	Lane
	// Forget removes the positions of shards, all or none. Nothing else may be open in
	// the lane. Errors as those of Commit.
	Forget(ctx context.Context, shards ...string) error
}

// The places of a shard that have a name.
const (
	Oldest = "oldest" // before the first record that it holds
	Newest = "newest" // after the last one
	Kept   = "kept"   // where the source itself has kept a position
)

// Placer is a Source in whose shards a position can be chosen, while nobody reads
// them.
type Placer interface {
	Source
	// Place gives the position of a place: one that has a name, or an offset as the
	// source writes it. last is the committed position; nil: there is none. Open
	// continues at the position it gives. Errors: Permanent, where there is no such
	// place in what the shard holds; Unreachable.
	Place(ctx context.Context, shard, at string, last *Position) (Position, error)
	// Forget removes what the source itself keeps of a shard, so that it can be read as
	// one that nobody has read. last is the position that was committed; nil: there was
	// none. Errors: Gap, where what is kept is not of last; Unreachable.
	Forget(ctx context.Context, shard string, last *Position) error
}

// Peeker is a Source that shows what it holds, and takes nothing: no position, no
// companion, no lease and no place in a group. It may be asked beside a pipeline that runs.
type Peeker interface {
	Source
	// Peek adds the records to b that a Reader which Open gives for req would read first,
	// in order: at most limit. b.Read is how many it has met: more than b has where those
	// would be too many bytes. Whether they continue req.From is not looked at. Errors:
	// Unreachable; Permanent where the shard holds something else.
	Peek(ctx context.Context, req OpenRequest, b *Batch, limit Limit) error
}
