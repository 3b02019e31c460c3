package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// Wait finds the next reply that holds entries: of what is pending, then of what is
// new.
func (r *groupReader) Wait(ctx context.Context) error {
	if r.live.spent() {
		r.reset()
		r.pending = true
	}
	for r.left == 0 {
		if err := r.gone(ctx); err != nil {
			return err
		}
		if r.asked == 0 && time.Since(r.claimed) >= r.source.settings.Group.ClaimIdle/2 {
			if err := r.claim(ctx); err != nil {
				return err
			}
		}
		if r.asked == 0 && r.again {
			if err := r.allSettled(ctx); err != nil {
				return err
			}
			counted := r.counted
			r.begin()
			r.fresh = !counted
		}
		doubt := r.doubt
		c, stop, err := r.live.get(ctx, r.source.client, r.key)
		if err != nil {
			return r.failed("connecting", err)
		}
		ended, err := r.await(c)
		stop()
		switch {
		case r.live.follow(err, r.source.client):
			r.reset()
			r.pending = true
			continue
		case isNoGroup(err):
			if err := r.regroup(ctx); err != nil {
				return err
			}
			continue
		case err != nil:
			return r.failed("reading stream "+r.key, err)
		case ended:
			return pipeline.ErrEnd
		}
		if r.doubt = false; doubt {
			break // Read may find nothing; but the server answers again
		}
	}
	return r.live.usable()
}

// await gets to the first entry of the next reply. ended: it is draining, and
// nothing is left.
func (r *groupReader) await(c *conn) (ended bool, err error) {
	if r.pending && r.asked == 0 {
		return false, r.awaitPending(c)
	}
	draining := r.draining.Load()
	if r.asked == 0 {
		if err := r.ask(c, !draining && !r.doubt); err != nil {
			return false, err
		}
	}
	n, err := c.streamReply()
	if err != nil {
		return false, err
	}
	r.asked, r.left = 0, max(n, 0)
	return n < 0 && draining, nil
}

// ask sends the next XREADGROUP
// (https://redis.io/docs/latest/commands/xreadgroup/).
func (r *groupReader) ask(c *conn, blocks bool) error {
	count, patience := strconv.Itoa(r.next.count), answerPatience
	group := []string{"XREADGROUP", "GROUP", r.source.settings.Group.Name, r.consumer, "COUNT", count}
	if blocks {
		block := min(blockFor, r.source.settings.Group.ClaimIdle/2)
		patience += block
		group = append(group, "BLOCK", strconv.FormatInt(max(block.Milliseconds(), 1), 10))
		if r.source.claims == present && r.idle() {
			group = append(group, "CLAIM", strconv.FormatInt(r.source.settings.Group.ClaimIdle.Milliseconds(), 10))
		}
	}
	c.command(append(group, "STREAMS", r.key, ">")...)
	r.asked = r.next.count
	return c.flush(patience)
}

// Read takes entries from the reply that Wait has found. A batch that fails is
// thrown away: its entries are pending then.
func (r *groupReader) Read(ctx context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	if r.left == 0 {
		return r.live.usable()
	}
	c, stop, err := r.live.get(ctx, r.source.client, r.key)
	if err != nil {
		return r.failed("connecting", err)
	}
	defer stop()
	before := r.cursor
	if err := r.take(c, b, limit); err != nil {
		r.cursor = before
		return r.failed("reading stream "+r.key, err)
	}
	b.Read = len(b.Records)
	b.After = r.cursor
	r.note(b)
	r.next.fit(b, limit)
	if r.left == 0 && !r.pending && !r.again && !r.draining.Load() && time.Since(r.claimed) < r.source.settings.Group.ClaimIdle/2 {
		if err := r.ask(c, true); err != nil {
			r.reset() // what was read is whole; Wait says what is wrong
			r.pending = true
		}
	}
	return nil
}

// take parses entries into b until the reply or the limit is used up.
func (r *groupReader) take(c *conn, b *pipeline.Batch, limit pipeline.Limit) error {
	b.Grow(min(int(r.left), limit.Records))
	read := time.Now()
	for r.left > 0 && len(b.Records) < limit.Records && (b.Bytes < limit.Bytes || len(b.Records) == 0) {
		_, n, err := c.next()
		switch {
		case err != nil:
			return err
		case n == -1: // Redis 6.2 claims what is not there any more
		case n == 2:
			if r.cursor.Offset, err = r.entryBody(c, b, read); err != nil {
				return err
			}
			r.match(&b.Records[len(b.Records)-1])
		case n == 4:
			if err := r.claimable(c, b, read); err != nil {
				return err
			}
		default:
			return errNotAnEntry
		}
		r.left--
	}
	if r.left == 0 {
		r.lose(len(r.took))
	}
	return nil
}

// match finds the pending entry that a record is: those before it are lost. It
// refuses one that was handed out too often.
func (r *groupReader) match(record *pipeline.Record) {
	if len(r.took) == 0 {
		return
	}
	r.lose(max(0, slices.IndexFunc(r.took, func(h handed) bool { return h.id == record.Offset })))
	times := r.took[0].times
	r.took = r.took[1:]
	if most := r.source.settings.Group.MaxDeliveries; most > 0 && times > int64(most) {
		record.Fail(&pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("the entry was handed out %d times and never acknowledged", times-1),
			Do: "see why consumers fail at it, or raise max_deliveries"})
	}
}

// lose notes that the next n of what was claimed are not there any more.
func (r *groupReader) lose(n int) {
	for _, h := range r.took[:n] {
		r.lost = append(r.lost, h.id.String())
		if h.id.Compare(r.cursor.Offset) > 0 {
			r.cursor.Offset = h.id
		}
	}
	r.took = r.took[n:]
}

// note remembers what is to be acknowledged.
func (r *groupReader) note(b *pipeline.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range b.Records {
		r.delivered = append(r.delivered, b.Records[i].Offset)
	}
}
