// Package pipeline holds the words of Penstock and the contracts between its
// parts: Record, Batch, Position, Source, Transform, Sink, and the classes of
// errors. It imports the standard library only and opens no socket.
//
// # The way of a record
//
//	Source ──► Reader.Wait ──► Reader.Read ──► Transform … ──► Lane.Write ──► Lane.Commit ──► Reader.Settle
//	           (holds no       a Batch of      in the order    in the         records and     cleans up what
//	            memory)        one shard       of the file     source's order positions,      is committed
//	                                                                          in one
//	                                                                          transaction
//
// A Source has shards (a Redis stream key, a Redis list key, a file). Order is
// per shard. A Reader reads one shard, batch by batch; package engine carries
// each batch through the transforms and hands it to a Lane of the Sink, which
// delivers the records together with the Position of the shard after them.
//
// # The rules of settlement
//
// These hold for every Source, Transform and Sink, built in or not. The
// suites of package pipelinetest/conform check them.
//
//  1. A Reader MUST return records in the order of its shard, each once, from
//     the position it was opened at, and MUST NOT remove anything from the
//     source, nor make it forget anything, before Settle names it.
//  2. Batch.After MUST be the position after the last record of the batch: a
//     Reader opened there returns what follows, no less and no more.
//  3. Settle MUST be called only with a Position that a Commit made durable (or
//     that a sink without positions has accepted for good). It is only cleaning
//     up: a crash before, during or after it MUST NOT change what is delivered.
//  4. A Transform MUST leave every record of the batch in it, with a Fate: what
//     it filters, drops or refuses stays visible to the counters and to the
//     position. It MUST NOT keep a reference to a record or its bytes after
//     Apply has returned.
//  5. A Transform that returns an error says nothing about single records: the
//     batch is given up, and comes again later from the source.
//  6. Lane.Write MUST take batches in the order of the calls. A batch that was
//     written is not delivered before Commit returns nil; Commit MUST deliver
//     all that was written since the last one together with the positions, or
//     nothing.
//  7. After an error from Write or Commit the Lane is dead: the owner MUST Close
//     it and open a new one, whose positions are the only truth about what was
//     delivered. The outcome of the failed Commit is whatever they say.
//  8. Opening a Lane MUST make every earlier Lane of the same identity unable to
//     commit before its positions are read; of a Sink that stores positions also
//     every Lane of the pipeline that another instance has opened: it may have had
//     more Lanes, or fewer. Lanes of one instance MUST leave each other alone.
//
// # Several instances
//
// Any number of instances of a pipeline may run. Where it has a Lease, that says
// which one is active, and the others stand by. Where it has none, or where the Lease
// is wrong about who is alive, the instance that opened the lane last is the active
// one (rule 8): the earlier one can commit nothing more, and ends with an error of
// class Fenced, or stands by. No rule above hangs on the Lease.
//
// # Errors
//
// An Error has a Class that says who can help (see Class), says what happened
// and what to do, and never holds a payload or a secret. Errors are returned or
// logged, never both.
package pipeline
