// Package engine runs one pipeline: it reads batches of records, carries them
// through the transforms by a Watermill router, writes them to the sink's lane
// in the source's order, commits them with their positions, and settles.
//
// # The one loop
//
//	shard.run        reads batches and sends each as one Watermill message
//	                 (bounded by the window, in batches and in bytes)
//	middleware       recovers, calls Watermill's middlewares that were handed in,
//	                 applies the stages, decides what they refused
//	shard.Publish    waits for the batch's ticket, then writes to the lane
//	commitLoop       ends the transaction: at once when idle, by age, by size
//	settleLoop       lets the source clean up what is committed
//
// Watermill starts a goroutine a message, so batches are transformed in
// parallel; a ticket brings them back into order, one sequence a shard. A failed
// batch is carried on like any other, so that its ticket comes.
//
// # Failures
//
// A batch that fails gives up its shard's generation: every later ticket of it
// is refused, the reader rewinds to what was last written, and a new generation
// begins. Other shards do not notice: among others, a shard holds no more than
// half of the window. A lane that fails ends the session before anybody else uses
// it: everything is closed, and opened again from the positions that the sink has.
// Where it has lost one that it had, the run ends: the shard would be taken for a
// new one, and be delivered again. Both wait between tries, longer each time, and
// say so in the State.
//
// # Active and standby
//
// With a Lease a run is a chain of turns: it waits until the lease is its own, runs
// sessions while it renews the lease, and stands by again where another instance has
// it, or had it. The first lane of a later turn is opened Anew, over whoever has it, and
// what this process knew of the sink's positions is forgotten. A session whose lease
// is lost ends as by a stop: what is under way is committed, or refused by the fence.
//
// # The end
//
// A run ends when it is stopped, when every shard says ErrEnd, or, with
// UntilDrained, when each shard is settled to the tail it had when the first
// session opened. A tail that can no longer be reached, since the shard has begun
// another incarnation or others have removed what was left, is taken anew; so a
// drain ends whatever others push or pop, and not before the rest is delivered.
package engine
