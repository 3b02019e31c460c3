package pipeline

import (
	"context"
	"time"
)

// Source is where records come from. The engine calls its methods one at a time,
// and Close after every Reader is closed.
type Source interface {
	// Shards names the shards that exist now. The engine asks again every few
	// seconds and opens what is new; a shard that is no longer named stays open.
	// It returns at once where the answer cannot change. Errors are classed:
	// Unreachable while the server is away, Permanent where it will not do.
	Shards(ctx context.Context) ([]string, error)
	// Open opens one shard for reading. It cleans up what a crash left behind.
	// Errors: Gap where the shard does not continue req.From, Permanent where
	// the key has the wrong type, Unreachable where nobody answers.
	Open(ctx context.Context, req OpenRequest) (Reader, error)
	// Close frees connections. It may be called more than once.
	Close() error
}

// OpenRequest says which shard to open, and where.
type OpenRequest struct {
	Shard string
	// From is the committed position; nil: the sink knows none.
	From *Position
	// First is true at the very first start of a pipeline, when no shard has a
	// position: only then does a setting like start: newest count.
	First bool
	// KeepsPosition is true where the sink stores no positions: the source then
	// keeps its own, at Settle, and resumes from it when From is nil.
	KeepsPosition bool
}

// Reader reads one shard. Wait, Read and Rewind are called from one goroutine, one
// after the other; Settle, Tail and Lag may be called beside them. After Close,
// which may be called while others are blocked and more than once, everything
// returns an error.
type Reader interface {
	// Start is the position the reader was opened at. The engine commits it
	// before it reads, where it differs from OpenRequest.From.
	Start() Position
	// Wait returns when there is something to read. It holds no record in
	// memory. ErrEnd: the shard has ended. Retryable and Unreachable errors
	// leave the reader usable: the engine waits, and calls Wait again.
	Wait(ctx context.Context) error
	// Read fills b with records up to the limit (a single record may be larger
	// than limit.Bytes) and sets b.After, b.Read and b.Bytes. It follows a Wait
	// that returned nil, and does not wait for more than the server's answer. It
	// may find nothing after all, or a position without records. Errors as in Wait; b is then to be thrown away,
	// and the next Read gives what it would have held.
	Read(ctx context.Context, b *Batch, limit Limit) error
	// Rewind makes Read continue after p, which is not before the last settled
	// position and not after what was read. It follows or precedes a Wait or Read
	// of the same goroutine. Errors as in Wait.
	Rewind(p Position) error
	// Settle cleans up what is committed, up to p. Calls may skip positions.
	// Errors: Gap where the source does not hold what was committed.
	Settle(ctx context.Context, p Position) error
	// Tail is the position of the newest record there is now, in the incarnation
	// that is being read: reading has drained the shard when it is committed. It
	// may be asked again and again.
	Tail(ctx context.Context) (Position, error)
	// Lag tells how much is waiting beyond what was read, -1 where the source
	// cannot tell.
	Lag(ctx context.Context) (int64, error)
	Close() error
}

// Limit bounds a batch.
type Limit struct {
	Records int
	Bytes   int
}

// Transform changes records on their way. Apply may be called from several
// goroutines at once, for different batches.
type Transform interface {
	// Apply works on the records of b that are still to be delivered (see
	// Batch.Live): changes them in place, sets a Fate, or calls Record.Fail, with an
	// error of class Permanent where trying again cannot help; where it can, it leaves
	// the record as it was, and may be called again with such records alone. An
	// error is about the batch as a whole; it is then given up and comes again.
	// It returns soon after ctx has ended.
	Apply(ctx context.Context, b *Batch) error
}

// Ordered is a Transform that remembers: the engine calls its Apply for one
// batch of a shard at a time, in the shard's order. It may be called at once for
// different shards. A batch that was given up comes again, at the same position.
type Ordered interface {
	Transform
	// Settled tells that a batch to which it was applied is committed, with the
	// fate each record met in the end. It may be called beside Apply.
	Settled(b *Batch)
	// GivenUp tells that every batch of the shard that is not settled was given
	// up, and comes again. It is called when a session ends too, also where
	// nothing is left.
	GivenUp(shard string)
}

// Sink is where records go.
type Sink interface {
	// Open takes the lane over from whoever had it (rule 8) and returns it with
	// the committed position of each shard of the pipeline. Lanes are opened one at a
	// time. Whatever another instance has of the pipeline, also in other lanes and in
	// such as LaneID.Lanes no longer counts, can commit nothing from then on. Errors: Unreachable while the
	// servers are away, Permanent where they refuse.
	Open(ctx context.Context, id LaneID) (Lane, map[string]Position, error)
	// Close frees what the lanes share. It may be called more than once.
	Close() error
}

// LaneID is the identity of a lane: one writer of a pipeline at a time.
type LaneID struct {
	Pipeline string
	Lane     int    // 0 … Lanes-1
	Lanes    int    // how many lanes the pipeline has
	Instance string // names this process and run, to people and to rivals
	// Anew: a lease says that this instance is the active one again. The lane is
	// taken over also from one that has taken it from this instance.
	Anew bool
}

// Lane writes batches and commits them with positions. Its methods are called
// one at a time, Check and Close excepted.
type Lane interface {
	// Check tells, before anything is sent, why the sink will never take the
	// record (too large, say); nil: nothing is known against it. The engine
	// applies on_error. It is the one method that is called at any time, from
	// several goroutines.
	Check(r *Record) error
	// Write takes the records of b that are to be delivered or dead-lettered, in
	// order; they, and b, belong to the lane until the next Commit or Close. It
	// does not wait for acknowledgement.
	Write(ctx context.Context, b *Batch) error
	// Commit delivers what was written since the last Commit, and stores the
	// positions (by shard) with it, all or nothing. ctx bounds the waiting, not
	// a commit that is under way. Errors: Fenced where another instance has
	// taken the lane; *Refused where the sink will not take a record; else the
	// outcome is unknown.
	Commit(ctx context.Context, positions map[string]Position) error
	// Close gives up what is not committed. It may be called while a Commit is
	// blocked, which then returns an error, and more than once. Write and Commit
	// return an error after it.
	Close(ctx context.Context) error
}

// Refused is the error of a Commit (or Write) of which the sink will not take
// one record, whatever is done: the engine isolates it and lets on_error decide.
type Refused struct {
	Shard  string
	Offset Offset
	Err    error
}

// Error tells the place and the reason.
func (r *Refused) Error() string {
	return "the sink refused the record at " + r.Shard + " " + r.Offset.String() + ": " + r.Err.Error()
}

// Unwrap gives the reason.
func (r *Refused) Unwrap() error { return r.Err }

// Clock tells the time; tests hand in their own.
type Clock func() time.Time
