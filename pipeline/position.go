package pipeline

import (
	"cmp"
	"fmt"
)

// Offset is a place in a shard, ordered by Major, then Minor. A stream id is
// milliseconds and sequence; a list's items, a file's bytes and a Kafka
// partition's offsets are counted in Minor, with Major 0.
type Offset struct {
	Major, Minor uint64
}

// Compare orders offsets: negative when o is before p, zero when equal.
func (o Offset) Compare(p Offset) int {
	return cmp.Or(cmp.Compare(o.Major, p.Major), cmp.Compare(o.Minor, p.Minor))
}

// String gives "major-minor", the form of a Redis stream id.
func (o Offset) String() string { return fmt.Sprintf("%d-%d", o.Major, o.Minor) }

// Position says how far a shard has been read or committed: everything up to
// and including Offset. The zero Position is before the first record.
type Position struct {
	// Incarnation names one life of the shard's key: a list or stream that was
	// deleted and made again is another one.
	Incarnation string
	Offset      Offset
	Evidence    Evidence
}

// Evidence is what a source saw at a position, to recognise the place again
// after a crash. Sources fill what they can; sinks store it as it is.
type Evidence struct {
	// Hash is the SHA-1 of the last item up to the position, in hex.
	Hash string
	// Added counts the records of this incarnation up to the position.
	Added uint64
	// EntriesAdded and ReplicationID are what Redis said of itself.
	EntriesAdded  uint64
	ReplicationID string
}
