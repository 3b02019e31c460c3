package redis

import (
	"context"
	"crypto/sha1" //nolint:gosec // it recognises items, against accidents; Redis scripts have no other
	"encoding/hex"
	"slices"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// Read takes items from the reply that Wait has found.
func (r *listReader) Read(ctx context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	if r.fresh {
		r.fresh, b.After = false, r.cursor
		return r.live.usable()
	}
	if r.left == 0 {
		return r.live.usable()
	}
	c, stop, err := r.live.get(ctx, r.source.client, r.key)
	if err != nil {
		return r.failed(ctx, "connecting", err)
	}
	defer stop()
	if r.lpush {
		err = r.takeReversed(c, b, limit)
	} else {
		err = r.take(c, b, limit)
	}
	if err != nil {
		return r.failed(ctx, "reading list "+r.key, err)
	}
	if len(b.Records) == 0 {
		return nil
	}
	start := r.cursor.Offset.Minor
	r.number(b)
	first, last := b.Records[0].Value, b.Records[len(b.Records)-1].Value
	r.cursor.Evidence.Hash = hash(last.Raw())
	b.Read, b.After = len(b.Records), r.cursor
	r.turn.Lock()
	r.runs = append(r.runs, run{start: start, end: r.cursor.Offset.Minor, first: hash(first.Raw())})
	r.turn.Unlock()
	r.next.fit(b, limit)
	return nil
}

// take parses items into b until the reply or the limit is used up.
func (r *listReader) take(c *conn, b *pipeline.Batch, limit pipeline.Limit) error {
	b.Grow(min(int(r.left), limit.Records))
	for r.left > 0 && len(b.Records) < limit.Records && (b.Bytes < limit.Bytes || len(b.Records) == 0) {
		if err := item(c, b); err != nil {
			return err
		}
		r.left--
	}
	return nil
}

// takeReversed parses the items of an lpush-ed list, which come newest first:
// they are all taken, and turned round. Where they are too large for that, they
// are thrown away, and fewer are asked for.
func (r *listReader) takeReversed(c *conn, b *pipeline.Batch, limit pipeline.Limit) error {
	items := int(r.left)
	if r.anchor {
		items--
	}
	for n := range items {
		if n > 0 && (b.Bytes >= 2*limit.Bytes || n >= limit.Records) {
			r.next.count = max(1, n/2)
			b.Records, b.Bytes = b.Records[:0], 0
			r.reset()
			return nil
		}
		if err := item(c, b); err != nil {
			return err
		}
	}
	r.left = 0
	slices.Reverse(b.Records)
	if !r.anchor {
		return nil
	}
	r.turn.Lock()
	defer r.turn.Unlock()
	return r.checkAnchor(c)
}

// item parses one item into a new record of b.
func item(c *conn, b *pipeline.Batch) error {
	value, err := bulkInto(c, b)
	if err != nil {
		return err
	}
	b.Add().Value = pipeline.RawValue(value)
	return nil
}

// number gives each record its place and the time it was read, and moves the
// cursor.
func (r *listReader) number(b *pipeline.Batch) {
	now := time.UnixMilli(time.Now().UnixMilli())
	for i := range b.Records {
		r.cursor.Offset.Minor++
		b.Records[i].Offset, b.Records[i].Time = r.cursor.Offset, now
	}
	r.cursor.Evidence.Added = r.cursor.Offset.Minor
}

// checkAnchor reads the item that was read last, once more: where another one
// stands in its place, somebody pops, or pushes at the wrong end. The turn is
// held.
func (r *listReader) checkAnchor(c *conn) error {
	n, err := c.expect('$')
	if err != nil {
		return err
	}
	if n < 0 {
		return errNotRESP
	}
	got, err := c.digest(n)
	if err != nil {
		return err
	}
	if got != r.cursor.Evidence.Hash {
		return r.gap("the item before the position is another one than was read there (SHA-1 "+got+", read "+r.cursor.Evidence.Hash+
			"): "+r.culprit(otherEnd), r.cursor.Offset.Minor)
	}
	return nil
}

// hash is the SHA-1 of an item, in hex, as redis.sha1hex gives it.
func hash(item []byte) string {
	sum := sha1.Sum(item) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}
