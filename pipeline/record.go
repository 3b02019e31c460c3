package pipeline

import (
	"strings"
	"time"
)

// Header is one header of a record. Order and duplicates are kept.
type Header struct {
	Key   string
	Value []byte
}

// Record is one event on its way. Its bytes belong to the batch (see
// Batch.Arena): they are valid until the batch is settled or given up.
type Record struct {
	Key     []byte   // nil: none
	Value   Value    // bytes, and fields once a format has read them
	Headers []Header // in order
	// Time is when the event happened as far as the source knows: a stream
	// entry's id, where that is a time (2001 or later, at most an hour ahead), else
	// the time it was read. Millisecond precision.
	Time time.Time
	// Topic overrides the sink's destination; empty: the sink's own.
	Topic string
	// Offset is the record's own place in its shard.
	Offset Offset
	// Part counts the records that transforms have made of one record of the source
	// (Batch.Expand), from 1 on; 0: the record is whole.
	Part uint32
	// Original is the value as it came from the source, kept for dead letters.
	Original []byte
	// Fate says what becomes of the record; Failure why, where Fate is Failed,
	// DeadLettered or SetAside.
	Fate      Fate
	hidden    uint8 // see Batch.Hide; 0: by nobody
	partition int32 // see SetPartition
	Failure   *Failure
}

// SetPartition says which partition of the topic the record goes to, where the
// sink's settings leave it to the record. It is 0 or more.
func (r *Record) SetPartition(n int32) { r.partition = n }

// Partition gives what SetPartition said; 0 where it said nothing.
func (r *Record) Partition() int32 { return r.partition }

// Fate is what becomes of a record. The zero Fate is to be delivered.
type Fate uint8

// The fates. Those that were read, and those that were added by Batch.Expand, are Deliver +
// Filtered + Duplicate + Dropped + DeadLettered + SetAside, once every Failed record has
// been decided by on_error.
const (
	Deliver      Fate = iota // goes to the sink
	Filtered                 // a filter said no
	Duplicate                // dedupe has seen it
	Dropped                  // drop, or on_error: {then: drop}
	Failed                   // refused by a stage; on_error decides
	DeadLettered             // goes to the sink's dead letters, in the same transaction
	SetAside                 // goes to the dead letters that a DeadLetterWriter keeps; set by the engine
)

// Failure tells why a record was refused, and by whom.
type Failure struct {
	Stage string // "source.format", "transforms[2].filter", "sink"
	Err   error
	// Attempts is how often the stage has tried, where it has tried again; else 0.
	Attempts int
}

// Transform gives the name of the transform that refused the record, "filter",
// empty where it was no transform: a format, a key, the sink.
func (f *Failure) Transform() string {
	place, name, _ := strings.Cut(f.Stage, ".")
	if !strings.HasPrefix(place, "transforms[") {
		return ""
	}
	return name
}

// Fail marks the record as refused with err; the engine names the stage and
// applies on_error. A record that is already decided stays as it is.
func (r *Record) Fail(err error) {
	if r.Fate == Deliver {
		r.Fate = Failed
		r.Failure = &Failure{Err: err}
	}
}
