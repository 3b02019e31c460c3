// Package redis reads Redis lists and streams by position: a file a shape.
//
// Records are read on a connection of the shard's own, straight into the memory
// of a batch; everything else (scripts, XINFO, SCAN) goes by go-redis. A shard
// is a key; its position is a stream id, or the number of items ever removed
// from a list, which a companion hash in the same slot holds.
//
// Publisher and Subscriber are a Watermill Pub/Sub of streams, a message at a time,
// for programs of others; the sources do not use them.
package redis
