package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// claimPage is how many pending entries are claimed at a time.
const claimPage = 1000

// awaitPending asks for entries that are pending for this consumer, after the
// cursor: XPENDING tells which, and how often they were handed out; XCLAIM gives
// them. Reading them with XREADGROUP would count each time that this process reads
// them again (https://redis.io/docs/latest/commands/xclaim/).
func (r *groupReader) awaitPending(c *conn) error {
	r.took = nil
	if len(r.page) == 0 {
		if err := r.readPage(c); err != nil {
			return err
		}
	}
	if len(r.page) == 0 {
		r.pending, r.fresh = false, false
		return nil
	}
	times := r.page[0].times
	n := slices.IndexFunc(r.page, func(h handed) bool { return h.times != times })
	if n < 0 {
		n = len(r.page)
	}
	took := r.page[:n]
	r.page = r.page[n:]
	args := []string{"XCLAIM", r.key, r.source.settings.Group.Name, r.consumer, "0"}
	for _, h := range took {
		args = append(args, h.id.String())
	}
	c.command(append(args, "RETRYCOUNT", strconv.FormatInt(times, 10))...)
	if err := c.flush(answerPatience); err != nil {
		return err
	}
	left, err := c.array()
	if err != nil {
		return err
	}
	if r.took, r.left = took, left; left == 0 {
		r.lose(len(took))
	}
	return nil
}

// readPage asks which entries are pending next.
func (r *groupReader) readPage(c *conn) error {
	c.command("XPENDING", r.key, r.source.settings.Group.Name, after(r.cursor.Offset).String(), "+", strconv.Itoa(r.next.count), r.consumer)
	if err := c.flush(answerPatience); err != nil {
		return err
	}
	n, err := c.array()
	if err != nil {
		return err
	}
	for range n {
		h, err := c.pending()
		if err != nil {
			return err
		}
		if r.fresh {
			h.times++
		}
		r.page = append(r.page, h)
	}
	return nil
}

// pending parses one entry of XPENDING: id, consumer, idle, times.
func (c *conn) pending() (h handed, err error) {
	if n, err := c.array(); err != nil || n != 4 {
		return h, errNotAnEntry
	}
	if h.id, _, err = c.entryID(); err != nil {
		return h, err
	}
	n, err := c.expect('$')
	if err != nil {
		return h, err
	}
	if err = c.skip(n); err != nil {
		return h, err
	}
	if _, err = c.expect(':'); err != nil {
		return h, err
	}
	h.times, err = c.expect(':')
	return h, err
}

// claim takes over what other consumers have left, and removes those that are gone
// and hold nothing.
func (r *groupReader) claim(ctx context.Context) error {
	r.claimed = time.Now()
	s := r.source.settings
	start := "0-0"
	for {
		reply, err := r.source.client.Do(ctx, "XAUTOCLAIM", r.key, s.Group.Name, r.consumer, s.Group.ClaimIdle.Milliseconds(), start, "COUNT", claimPage, "JUSTID").Slice()
		if isNoGroup(err) {
			return r.regroup(ctx)
		}
		if err != nil || len(reply) < 2 {
			return r.source.client.classify("claiming entries of stream "+r.key, err)
		}
		if ids, _ := reply[1].([]any); len(ids) > 0 {
			r.counted = r.again && r.counted
			r.again = true
		}
		if len(reply) > 2 {
			for _, id := range reply[2].([]any) {
				r.lost = append(r.lost, fmt.Sprint(id))
			}
		}
		if start, _ = reply[0].(string); start == "0-0" || start == "" {
			break
		}
	}
	removed, err := removeIdle(ctx, r.source.client, r.key, s.Group.Name, r.source.has, forgetAfter*s.Group.ClaimIdle)
	for _, name := range removed {
		r.source.client.log.Info("a consumer that was silent for long and held nothing is removed", "stream", r.key, "group", s.Group.Name, "consumer", name)
	}
	return r.source.client.classify("removing idle consumers of group "+s.Group.Name, err)
}

// capability is whether a server can do something, once that is known.
type capability int

const (
	unknown capability = iota
	present
	absent
)

// canClaim finds out whether XREADGROUP takes CLAIM (Redis 8.4): a server that does
// misses the group that it asks for, and any other refuses the words.
func (r *groupReader) canClaim(ctx context.Context) error {
	if r.source.claims != unknown {
		return nil
	}
	err := r.source.client.Do(ctx, "XREADGROUP", "GROUP", rand.Text(), r.consumer, "CLAIM", "1000", "STREAMS", r.key, ">").Err()
	answer, refused := errors.AsType[redis.Error](err)
	switch {
	case isNoGroup(err):
		r.source.claims = present
	case refused && strings.HasPrefix(answer.Error(), "ERR"):
		r.source.claims = absent
		r.source.client.absent("XREADGROUP … CLAIM (Redis 8.4)", "what other consumers leave is taken over within one and a half times claim_idle, instead of once it has passed")
	default:
		return r.source.client.classify("looking at stream "+r.key, err)
	}
	return nil
}

// idle tells whether all that was read is acknowledged. CLAIM gives back, and counts as
// handed out once more, also what this consumer holds itself.
func (r *groupReader) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.delivered) == 0
}

// claimable parses an entry of a reply to CLAIM, with how long it was idle and how often
// it was handed out before. One that was is pending for this consumer now: it comes with
// the next incarnation, in its place. What was removed from the stream CLAIM passes over:
// claim finds it.
func (r *groupReader) claimable(c *conn, b *pipeline.Batch, read time.Time) error {
	records, bytes := len(b.Records), b.Bytes
	id, err := r.entryBody(c, b, read)
	if err != nil {
		return err
	}
	if _, err = c.expect(':'); err != nil {
		return err
	}
	times, err := c.expect(':')
	if err != nil {
		return err
	}
	if times == 0 {
		r.cursor.Offset = id
		return nil
	}
	b.Records, b.Bytes = b.Records[:records], bytes
	r.again, r.counted = true, true
	return nil
}

// gone is what pending entries without a body lead to: they were trimmed or
// deleted before anybody acknowledged them.
func (r *groupReader) gone(ctx context.Context) error {
	ids := r.lost
	if len(ids) == 0 {
		return nil
	}
	r.lost = nil
	if r.source.settings.OnGap != "continue" {
		return &pipeline.Error{Class: pipeline.Gap,
			What: fmt.Sprintf("%d entries of stream %s were handed out to group %s and removed (XTRIM, MAXLEN or XDEL) before they were acknowledged: %s", len(ids), r.key, r.source.settings.Group.Name, few(ids)),
			Do:   "let the writer keep more, then go on with on_gap: continue"}
	}
	r.source.client.log.Warn("entries were removed from the stream before they were acknowledged", "stream", r.key, "group", r.source.settings.Group.Name,
		"entries", len(ids), "ids", few(ids))
	return r.source.client.classify("acknowledging entries of stream "+r.key, r.source.client.XAck(ctx, r.key, r.source.settings.Group.Name, ids...).Err())
}

// few names some of many.
func few(ids []string) string {
	if len(ids) > 3 {
		return strings.Join(ids[:3], ", ") + "…"
	}
	return strings.Join(ids, ", ")
}
