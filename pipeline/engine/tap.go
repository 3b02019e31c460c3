package engine

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// Tapped is a record as it went through the stages, with bytes of its own.
type Tapped struct {
	Shard  string
	Offset pipeline.Offset
	Time   time.Time // it was read
	Value  []byte    // as it came
	Cut    bool      // a value is longer than what is shown
	Stages []TappedStage
}

// TappedStage is what a stage has made of a record.
type TappedStage struct {
	Name  string
	Fate  pipeline.Fate // Deliver: it goes on
	Parts int           // how many records it is now
	Value []byte        // of the first, where it goes on
	Error string        // why it does not
}

const (
	// tapEvery is how long a tap rests between two records: looking costs.
	tapEvery = 200 * time.Millisecond
	// tapBytes bounds what is shown of a value.
	tapBytes = 16 << 10
)

// tap shows records, a few a second, while somebody looks.
type tap struct {
	watched atomic.Int32 // by so many
	next    atomic.Int64 // when another record may be taken, in nanoseconds of Unix
	mu      sync.Mutex
	outs    []chan<- Tapped
}

// Tap sends some of the records that go through the stages, with what each stage made of
// them, until ctx ends: five a second at most, and none that out has no room for.
func (e *Engine) Tap(ctx context.Context, out chan<- Tapped) {
	t := &e.tap
	t.mu.Lock()
	t.outs = append(t.outs, out)
	t.mu.Unlock()
	t.watched.Add(1)
	<-ctx.Done()
	t.watched.Add(-1)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outs = slices.DeleteFunc(t.outs, func(o chan<- Tapped) bool { return o == out })
}

// take begins to follow the first record of a batch; nil: nobody looks, or not now.
func (t *tap) take(b *pipeline.Batch) *Tapped {
	if t.watched.Load() == 0 || len(b.Records) == 0 {
		return nil
	}
	now := time.Now()
	if due := t.next.Load(); now.UnixNano() < due || !t.next.CompareAndSwap(due, now.Add(tapEvery).UnixNano()) {
		return nil
	}
	r := &b.Records[0]
	seen := &Tapped{Shard: b.Shard, Offset: r.Offset, Time: now}
	seen.Value = seen.bytes(r)
	return seen
}

func (s *Tapped) bytes(r *pipeline.Record) []byte {
	raw := r.Value.Raw()
	if len(raw) > tapBytes {
		raw, s.Cut = raw[:tapBytes], true
	}
	return slices.Clone(raw)
}

// after notes what a stage has made of the record; nil is followed by nobody.
func (s *Tapped) after(stage string, b *pipeline.Batch) {
	if s == nil {
		return
	}
	if n := len(s.Stages); n > 0 && s.Stages[n-1].Fate != pipeline.Deliver {
		return // it has ended
	}
	found := TappedStage{Name: stage, Fate: pipeline.Filtered}
	for i := range b.Records {
		r := &b.Records[i]
		if r.Offset != s.Offset {
			continue
		}
		found.Parts++
		switch {
		case r.Fate == pipeline.Deliver && found.Value == nil:
			found.Fate, found.Value, found.Error = pipeline.Deliver, s.bytes(r), ""
		case found.Value == nil:
			found.Fate = r.Fate
			if r.Failure != nil {
				found.Error = r.Failure.Err.Error()
			}
		}
	}
	s.Stages = append(s.Stages, found)
}

// show sends what was seen to who looks.
func (t *tap) show(s *Tapped) {
	if s == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, out := range t.outs {
		select {
		case out <- *s:
		default:
		}
	}
}
