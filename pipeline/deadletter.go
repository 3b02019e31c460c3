package pipeline

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DeadLetter is a record that was refused, as it is kept for people: they see why, mend
// what was wrong, and give it back to the source.
type DeadLetter struct {
	// ID is its place where it is kept, as that writes places; empty: it is not kept yet.
	ID                         string
	Pipeline, Stage, Transform string // Transform is empty where none has refused it
	Error                      string
	// Shard and Offset are those of the record in the source.
	Shard    string
	Offset   Offset
	Part     uint32    // of the record, where transforms have made several of it; else 0
	Time     time.Time // when it was refused
	Attempts int       // how often that was tried, where it was tried again; else 0
	Key      []byte    // nil: none
	Value    []byte    // as it came from the source; nil: none
	Headers  []Header  // as they were when it was refused
	Stamp    time.Time // the record's own time
	// Cut: there was no room for all of it, and it cannot be given back.
	Cut bool
}

// maxReason bounds the text of an error in a dead letter, in bytes.
const maxReason = 1 << 10

// NewDeadLetter makes the dead letter of a record that was refused. Its bytes are the
// batch's.
func NewDeadLetter(pipeline string, b *Batch, r *Record, now time.Time) DeadLetter {
	reason := r.Failure.Err.Error()
	if len(reason) > maxReason {
		reason = strings.ToValidUTF8(reason[:maxReason], "")
	}
	return DeadLetter{
		Pipeline: pipeline, Stage: r.Failure.Stage, Transform: r.Failure.Transform(), Error: reason,
		Shard: b.Shard, Offset: r.Offset, Part: r.Part, Time: now.UTC(), Attempts: r.Failure.Attempts,
		Key: r.Key, Value: r.Original, Headers: r.Headers, Stamp: r.Time,
	}
}

// The names under which headers, and fields of Redis, tell of a dead letter. Frozen.
const (
	letterPrefix    = "penstock."
	letterPipeline  = letterPrefix + "pipeline"
	letterStage     = letterPrefix + "stage"
	letterTransform = letterPrefix + "transform"
	letterError     = letterPrefix + "error"
	letterOrigin    = letterPrefix + "origin" // shard and offset: "user_behavior 0-17"
	letterPart      = letterPrefix + "part"
	letterTime      = letterPrefix + "time"
	letterAttempts  = letterPrefix + "attempts"
	letterCut       = letterPrefix + "original." // and what was cut of
)

// Described gives what there is to say of the letter, as headers or fields.
func (l *DeadLetter) Described() []Header {
	said := []Header{
		{letterPipeline, []byte(l.Pipeline)},
		{letterStage, []byte(l.Stage)},
		{letterError, []byte(l.Error)},
		{letterOrigin, []byte(l.Shard + " " + l.Offset.String())},
		{letterTime, []byte(l.Time.Format(time.RFC3339Nano))},
	}
	if l.Transform != "" {
		said = append(said, Header{letterTransform, []byte(l.Transform)})
	}
	if l.Part > 0 {
		said = append(said, Header{letterPart, []byte(strconv.FormatUint(uint64(l.Part), 10))})
	}
	if l.Attempts > 1 {
		said = append(said, Header{letterAttempts, []byte(strconv.Itoa(l.Attempts))})
	}
	return said
}

// Describe takes what one of the headers of Described says; false: it is none of them,
// but the record's own.
func (l *DeadLetter) Describe(name, text string) bool {
	switch name {
	case letterPipeline:
		l.Pipeline = text
	case letterStage:
		l.Stage = text
	case letterTransform:
		l.Transform = text
	case letterError:
		l.Error = text
	case letterOrigin:
		at := strings.LastIndexByte(text, ' ')
		l.Offset, _ = ParseOffset(text[at+1:])
		l.Shard = text[:max(at, 0)]
	case letterPart:
		part, _ := strconv.ParseUint(text, 10, 32)
		l.Part = uint32(part)
	case letterTime:
		l.Time, _ = time.Parse(time.RFC3339Nano, text)
	case letterAttempts:
		l.Attempts, _ = strconv.Atoi(text)
	default:
		cut := strings.HasPrefix(name, letterCut)
		l.Cut = l.Cut || cut
		return cut
	}
	return true
}

// ParseOffset reads an offset as String writes it.
func ParseOffset(text string) (o Offset, ok bool) {
	_, err := fmt.Sscanf(text, "%d-%d", &o.Major, &o.Minor)
	return o, err == nil && o.String() == text
}

// DeadLetterWriter keeps dead letters elsewhere than the sink does.
type DeadLetterWriter interface {
	// Keep keeps letters, in order, and returns when they will last as long as the place
	// does. It is called before the positions behind the letters are committed, and again
	// where that fails: no letter is lost, and one may be there twice, with the same
	// Shard, Offset and Part. Their bytes are the caller's. Safe for concurrent use. Errors:
	// Unreachable, Retryable, or Permanent where the place is none for letters.
	Keep(ctx context.Context, letters []DeadLetter) error
	// Close may be called more than once.
	Close() error
}

// DeadLetterReader shows dead letters where they are kept, also beside a pipeline that
// runs.
type DeadLetterReader interface {
	// Each calls yield for the letters of the pipeline that are there when it begins and
	// were not given back, in the order in which they were kept (in Kafka: of each
	// partition), until yield returns false. A letter's bytes are good until yield
	// returns. Errors: Unreachable, or Permanent where the place holds something else.
	Each(ctx context.Context, yield func(DeadLetter) bool) error
	// GivenBack notes that letters were given back, by their IDs: Each does not show
	// them any more. It is called between the yields of an Each, or after it, for letters
	// that it has shown. Errors as those of Each.
	GivenBack(ctx context.Context, ids []string) error
	Close() error
}

// Returner is a Source to which records can be given back: they come again, as new ones
// at the end of their shard.
type Returner interface {
	Source
	// Returns tells why a letter cannot be given back; nil: it can. It asks nobody.
	Returns(l *DeadLetter) error
	// Return adds letters to their shards, in order. After an error some may have been
	// added. Errors: Unreachable, Retryable, Permanent.
	Return(ctx context.Context, letters []DeadLetter) error
}
