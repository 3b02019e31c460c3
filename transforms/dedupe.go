package transforms

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// DedupeSettings are the settings of the transform dedupe.
type DedupeSettings struct {
	Key     pipeline.Expression `yaml:"key" doc:"What makes two records the same; an empty or missing key is an error of the record." required:"true" example:"value.event_id"`
	Within  time.Duration       `yaml:"within" doc:"How far apart two records of one key may be, by their times, to count as the same." default:"10m" min:"1ms"`
	MaxKeys int                 `yaml:"max_keys" doc:"Keys to remember at most, about 57 bytes of memory each; beyond it the oldest are forgotten early and counted." default:"1000000" min:"1"`
}

// maxMaxKeys is the most keys that the index can tell apart at a good speed.
const maxMaxKeys = 10_000_000

// Validate finds values that make no sense.
func (s DedupeSettings) Validate() []pipeline.Problem {
	if s.MaxKeys <= maxMaxKeys {
		return nil
	}
	return []pipeline.Problem{{
		Field: "max_keys", What: "is out of range", Do: fmt.Sprintf("write a number up to %d", maxMaxKeys),
	}}
}

// keyFunc gives the key of a record; false: it has none. See expr.Program.Bytes.
type keyFunc func(*pipeline.Batch, *pipeline.Record) ([]byte, bool, error)

// Dedupe marks records as duplicates whose key another record brought less than
// Within before or after it, over all shards of the pipeline.
//
// It remembers a key with the place (shard, incarnation, offset) of the record
// that first carried it. The same place again is the same record, come again
// after a failure, and no duplicate. A key counts from the moment it is seen,
// but it is forgotten when its carrier is refused (not when a later filter or
// drop takes the carrier out), and free for another carrier from when the
// carrier's batch is given up until it comes again. When the shard goes on
// behind a carrier that was given up, that one was committed after all, and stays.
//
// Times are those of the records (the clock's where a record has none, or one
// in the future), so that a backlog gives the same result whether it is read at
// once or as it came. A key is forgotten when its shard is Within past it.
// Memory only: after a restart nothing is remembered.
type Dedupe struct {
	key    keyFunc
	within int64 // milliseconds
	clock  pipeline.Clock
	seeds  [2]maphash.Seed
	sums   sync.Pool // *[]keySum

	mu      sync.Mutex
	keys    *keySet
	evicted uint64
	newest  int64 // of all lives
	lives   []life
	numbers map[lifeName]uint32 // in lives
	shards  map[string]*carriers
}

type lifeName struct{ shard, incarnation string }

// life is one incarnation of a shard.
type life struct {
	newest int64 // time of the newest record so far
}

// carriers are numbers of a shard's carriers, in order.
type carriers struct {
	pending []uint64 // not settled
	givenUp []uint64 // given up since the last batch
}

var _ pipeline.Ordered = (*Dedupe)(nil)

// NewDedupe compiles the key and returns a Dedupe that remembers nothing. The
// error is that of expr.Compile.
func NewDedupe(s DedupeSettings, clock pipeline.Clock) (*Dedupe, error) {
	key, err := expr.Compile(s.Key, expr.Anything)
	if err != nil {
		return nil, err
	}
	return newDedupe(s, key.Bytes, clock), nil
}

func newDedupe(s DedupeSettings, key keyFunc, clock pipeline.Clock) *Dedupe {
	return &Dedupe{
		key: key, within: s.Within.Milliseconds(), clock: clock,
		seeds:   [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		sums:    sync.Pool{New: func() any { return new([]keySum) }},
		keys:    newKeySet(max(s.MaxKeys, 1)),
		numbers: make(map[lifeName]uint32),
		shards:  make(map[string]*carriers),
	}
}

// Keys tells how many keys are remembered.
func (d *Dedupe) Keys() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.keys.live
}

// Evicted counts the keys forgotten before their time, for want of room.
func (d *Dedupe) Evicted() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.evicted
}

// Apply marks the duplicates of b. A record whose key cannot be told, is
// empty or null, is refused.
func (d *Dedupe) Apply(_ context.Context, b *pipeline.Batch) error {
	held, _ := d.sums.Get().(*[]keySum)
	defer d.sums.Put(held)
	*held = d.sumUp(b, (*held)[:0])
	now := d.clock().UnixMilli()

	d.mu.Lock()
	defer d.mu.Unlock()
	number, shard := d.life(b)
	d.resume(shard, number, b)
	d.keys.warm(*held)
	next := 0
	for r := range b.Live {
		at := now
		if !r.Time.IsZero() {
			at = min(now, r.Time.UnixMilli())
		}
		if d.seen(shard, carrier{sum: (*held)[next], offset: r.Offset, part: uint16(r.Part), time: at, life: number, state: known}) {
			r.Fate = pipeline.Duplicate
		}
		next++
	}
	return nil
}

// sumUp appends the sum of each live record's key to sums.
func (d *Dedupe) sumUp(b *pipeline.Batch, sums []keySum) []keySum {
	for r := range b.Live {
		key, err := keyOf(d.key, b, r)
		if err != nil {
			r.Fail(err)
			continue
		}
		sums = append(sums, keySum{maphash.Bytes(d.seeds[0], key), maphash.Bytes(d.seeds[1], key)})
	}
	return sums
}

// keyOf gives the key of a record; it has one.
func keyOf(key keyFunc, b *pipeline.Batch, r *pipeline.Record) ([]byte, error) {
	text, _, err := key(b, r)
	if err == nil && len(text) == 0 {
		err = &pipeline.Error{
			Class: pipeline.Permanent, What: "the key of dedupe is empty",
			Do: "choose another key, or let such records pass with when",
		}
	}
	return text, err
}

// life gives the number of b's incarnation, and the carriers of its shard.
func (d *Dedupe) life(b *pipeline.Batch) (uint32, *carriers) {
	name := lifeName{b.Shard, b.After.Incarnation}
	number, ok := d.numbers[name]
	if !ok {
		number = uint32(len(d.lives))
		d.numbers[name] = number
		d.lives = append(d.lives, life{})
	}
	shard := d.shards[b.Shard]
	if shard == nil {
		shard = &carriers{}
		d.shards[b.Shard] = shard
	}
	return number, shard
}

// seen tells whether another record has brought the key; else c carries it.
func (d *Dedupe) seen(shard *carriers, c carrier) bool {
	d.newest = max(d.newest, c.time)
	d.lives[c.life].newest = max(d.lives[c.life].newest, c.time)
	d.expire()
	if old, n := d.keys.find(c.sum); old != nil {
		apart := max(c.time-old.time, old.time-c.time)
		switch {
		case old.life == c.life && old.offset == c.offset && old.part == c.part:
			if old.state == givenUp {
				old.state = known
				shard.pending = append(shard.pending, n)
			}
			return false
		case old.state == known && apart < d.within:
			return true
		}
		d.keys.remove(n)
	}
	for d.keys.full() {
		d.evict()
	}
	shard.pending = append(shard.pending, d.keys.add(c))
	return false
}

// expire lets go of carriers that are past their time: a few, so that no record
// pays for many.
func (d *Dedupe) expire() {
	for range 8 {
		c := d.keys.oldest()
		if c == nil || c.state != forgotten && d.lives[c.life].newest-c.time < d.within {
			return
		}
		d.keys.pop()
	}
}

// evict makes room.
func (d *Dedupe) evict() {
	if c := d.keys.oldest(); c.state != forgotten && d.newest-c.time < d.within {
		d.evicted++
	}
	d.keys.pop()
}

// resume looks at the carriers that were given up, when the first batch after
// that has come: those that it starts behind were committed. The others are
// known again when they come, and as good as forgotten until then.
func (d *Dedupe) resume(shard *carriers, number uint32, b *pipeline.Batch) {
	if len(b.Records) == 0 {
		return
	}
	for _, n := range shard.givenUp {
		if c := d.keys.at(n); c != nil && c.life == number && c.offset.Compare(b.Records[0].Offset) < 0 {
			c.state = known
		}
	}
	shard.givenUp = nil
}

// Settled makes the keys of b last, but forgets those whose carrier was refused.
func (d *Dedupe) Settled(b *pipeline.Batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	number, shard := d.life(b)
	rest := b.Records
	for len(shard.pending) > 0 {
		n := shard.pending[0]
		if c := d.keys.at(n); c != nil {
			if c.life > number || c.life == number && c.offset.Compare(b.After.Offset) > 0 {
				return
			}
			for len(rest) > 0 && rest[0].Offset.Compare(c.offset) < 0 {
				rest = rest[1:]
			}
			if c.life == number && carrierRefused(rest, c.offset, c.part) {
				d.keys.remove(n)
			}
		}
		shard.pending = shard.pending[1:]
	}
}

// carrierRefused tells whether a carrier was refused; records begin with those of its
// offset. Of a carrier that was split later, one refused part is enough. (Of parts that
// were split again, the numbers are others now: those of them that are equal count.)
func carrierRefused(records []pipeline.Record, offset pipeline.Offset, part uint16) bool {
	for i := range records {
		r := &records[i]
		if r.Offset != offset {
			return false
		}
		if (part == 0 || part == uint16(r.Part)) && refused(r) {
			return true
		}
	}
	return false
}

// refused tells whether a stage, or the sink, would not take the record.
func refused(r *pipeline.Record) bool {
	switch r.Fate {
	case pipeline.Failed, pipeline.DeadLettered, pipeline.SetAside:
		return true
	case pipeline.Dropped:
		return r.Failure != nil
	default:
		return false
	}
}

// GivenUp frees the keys of the shard's carriers that are not settled, until
// the carriers come again.
func (d *Dedupe) GivenUp(shard string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.shards[shard]
	if s == nil {
		return
	}
	for _, n := range s.pending {
		if c := d.keys.at(n); c != nil {
			c.state = givenUp
		}
	}
	s.givenUp = append(s.givenUp, s.pending...)
	s.pending = nil
}
