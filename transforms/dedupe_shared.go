package transforms

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms/expr"
)

// Claims is a store in which instances and pipelines share the keys of dedupe. Safe for
// concurrent use.
type Claims interface {
	// Claim tells, for each of keys in order, whether it is taken: another place has
	// claimed it, with a time less than within apart. Else it belongs to its place, with
	// its time (Unix milliseconds), from then on, for as long as the store keeps keys. A
	// place that has claimed a key before has it still. Errors: Unreachable, Retryable;
	// some may have been claimed then.
	Claim(ctx context.Context, keys, places []string, times []int64) (taken []bool, err error)
	// Release takes keys from their places, if they have them. Errors as in Claim.
	Release(ctx context.Context, keys, places []string) error
	Close() error
}

// SharedDedupe is Dedupe with a store that others see too, and that lasts over a restart.
//
// A key is claimed for the place of a record (what names its shard for good, its offset and
// part) before the record is delivered: it stays that record's own when it comes again,
// after a failure or a crash. The key of a record that was refused is released with the
// shard's next batch, or by Close; after a crash in between when the store forgets it.
type SharedDedupe struct {
	key   keyFunc
	clock pipeline.Clock
	store Claims
	name  func(shard, incarnation string) string

	mu     sync.Mutex
	shards map[string]*claimed
}

// claimed are the keys of a shard that its batches under way have, in order.
type claimed struct {
	pending []claim
	refused []claim // to be released
}

// claim is a key, and the record that has it.
type claim struct {
	key, place string
	offset     pipeline.Offset
	part       uint16
}

var _ pipeline.Ordered = (*SharedDedupe)(nil)

// NewSharedDedupe makes one of the key of s; the store knows Within, and is closed with it,
// or at once where there is an error. name gives what names
// a record's shard, and the life of it that the record belongs to, wherever and whenever
// the record comes. The error is that of expr.Compile.
func NewSharedDedupe(s DedupeSettings, clock pipeline.Clock, store Claims, name func(shard, incarnation string) string) (*SharedDedupe, error) {
	key, err := expr.Compile(s.Key, expr.Anything)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &SharedDedupe{key: key.Bytes, clock: clock, store: store, name: name, shards: map[string]*claimed{}}, nil
}

// Apply claims the keys of b, and marks the records whose key is taken as duplicates. A
// record whose key cannot be told, is empty or null, is refused. Errors are those of the
// store.
func (d *SharedDedupe) Apply(ctx context.Context, b *pipeline.Batch) error {
	if err := d.release(ctx, b.Shard); err != nil {
		return err
	}
	var keys, places []string
	var times []int64
	now, shard := d.clock().UnixMilli(), d.name(b.Shard, b.After.Incarnation)
	for r := range b.Live {
		key, err := keyOf(d.key, b, r)
		if err != nil {
			r.Fail(err)
			continue
		}
		at := now
		if !r.Time.IsZero() {
			at = min(now, r.Time.UnixMilli())
		}
		place := shard + "\x00" + r.Offset.String() + "\x00" + strconv.FormatUint(uint64(r.Part), 10)
		keys, places, times = append(keys, sumOf(key)), append(places, sumOf([]byte(place))), append(times, at)
	}
	if len(keys) == 0 {
		return nil
	}
	taken, err := d.store.Claim(ctx, keys, places, times)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	of, next := d.of(b.Shard), 0
	for r := range b.Live {
		if taken[next] {
			r.Fate = pipeline.Duplicate
		} else {
			of.pending = append(of.pending, claim{keys[next], places[next], r.Offset, uint16(r.Part)})
		}
		next++
	}
	return nil
}

// sumOf is what stands for a text in the store: 128 bits of its SHA-256, as text.
func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (d *SharedDedupe) of(shard string) *claimed {
	if d.shards[shard] == nil {
		d.shards[shard] = &claimed{}
	}
	return d.shards[shard]
}

// release releases the keys of records that were refused.
func (d *SharedDedupe) release(ctx context.Context, shard string) error {
	d.mu.Lock()
	refused := d.of(shard).refused
	d.mu.Unlock()
	if len(refused) == 0 {
		return nil
	}
	keys, places := make([]string, len(refused)), make([]string, len(refused))
	for i, c := range refused {
		keys[i], places[i] = c.key, c.place
	}
	if err := d.store.Release(ctx, keys, places); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	of := d.of(shard)
	of.refused = of.refused[len(refused):]
	return nil
}

// closePatience bounds how long Close tries to release keys.
const closePatience = 3 * time.Second

// Close releases the keys of records that were refused, as far as the store answers, and
// closes it. Nothing is under way any more.
func (d *SharedDedupe) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	var errs []error
	for shard := range d.shards {
		errs = append(errs, d.release(ctx, shard))
	}
	return errors.Join(append(errs, d.store.Close())...)
}

// Settled lets go of the keys of b: those of records that were refused are to be released.
func (d *SharedDedupe) Settled(b *pipeline.Batch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	of, rest := d.of(b.Shard), b.Records
	for len(of.pending) > 0 {
		c := of.pending[0]
		for len(rest) > 0 && rest[0].Offset != c.offset {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return // of a later batch
		}
		if carrierRefused(rest, c.offset, c.part) {
			of.refused = append(of.refused, c)
		}
		of.pending = of.pending[1:]
	}
}

// GivenUp forgets what the shard's batches have claimed: they come again, and have it.
func (d *SharedDedupe) GivenUp(shard string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.of(shard).pending = nil
}
