package redis

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// look asks for the items after the cursor, with the companion, in one MULTI,
// and reads the reply up to the first item.
func (r *listReader) look(c *conn) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	if r.broken != nil {
		return r.broken
	}
	offset := int64(r.cursor.Offset.Minor - r.base) //nolint:gosec // both count items
	r.anchor = offset > 0
	skipped := r.ask(c, offset)
	if err := c.flush(answerPatience); err != nil {
		return err
	}
	for range skipped { // OK, QUEUED, QUEUED
		if _, err := c.expect('+'); err != nil {
			return err
		}
	}
	if n, err := c.array(); err != nil || n != 2 {
		return errors.Join(errNotRESP, err)
	}
	if err := r.checkCompanion(c); err != nil {
		return err
	}
	n, err := c.array()
	if err != nil {
		return err
	}
	return r.arrived(c, n)
}

// lookScript is the MULTI as a script: a server that is out of memory lets
// nothing be queued, not even what only reads.
const lookScript = `return {redis.call('HMGET', KEYS[2], 'incarnation', 'position'), redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[2])}`

// triesMulti is how long after a server was out of memory MULTI is tried again.
const triesMulti = time.Second

// fullNow tells whether err says that the server is out of memory, and keeps it
// for the next looks.
func (r *listReader) fullNow(err error) bool {
	answer, ok := errors.AsType[replyError](err)
	if !ok || !isOutOfMemory(answer) || time.Since(r.full) < triesMulti { // then the script was refused too
		return false
	}
	r.full = time.Now()
	return true
}

// isOutOfMemory tells whether the server refuses to grow.
func isOutOfMemory(answer replyError) bool { return strings.HasPrefix(string(answer), "OOM ") }

// ask sends the MULTI, and tells how many lines come before the reply of its
// EXEC. The item before the first is asked for too, where there is one: it must
// still be the one that was read last.
func (r *listReader) ask(c *conn, offset int64) (skipped int) {
	from, to := offset, offset+int64(r.next.count)-1
	if r.anchor {
		from--
	}
	if r.lpush {
		from, to = -to-1, -from-1
	}
	first, last := strconv.FormatInt(from, 10), strconv.FormatInt(to, 10)
	if time.Since(r.full) < triesMulti {
		c.command("EVAL", lookScript, "2", r.key, r.companion, first, last)
		return 0
	}
	c.command("MULTI")
	c.command("HMGET", r.companion, "incarnation", "position")
	c.command("LRANGE", r.key, first, last)
	c.command("EXEC")
	return 3
}

// checkCompanion reads the companion's part of the reply: somebody who trims or
// deletes beside this reader shows there.
func (r *listReader) checkCompanion(c *conn) error {
	if n, err := c.array(); err != nil || n != 2 {
		return errors.Join(errNotRESP, err)
	}
	incarnation, err := c.text()
	if err != nil {
		return err
	}
	position, err := c.text()
	if err != nil {
		return err
	}
	before := r.base
	if err := r.seen(incarnation, position, r.cursor.Offset.Minor); err != nil {
		return err
	}
	if r.base != before {
		return errTrimmedMeanwhile
	}
	return nil
}

// arrived decides what to do with a reply of n items.
func (r *listReader) arrived(c *conn, n int64) error {
	switch {
	case n < 0:
		return errNotRESP
	case r.anchor && n == 0:
		return r.gap("items that were read, and not removed, are gone: "+r.culprit(), r.cursor.Offset.Minor)
	case r.anchor && n == 1, n == 0:
		r.pause = min(max(2*r.pause, firstPause), maxPause)
		if n == 0 {
			return nil
		}
		return r.checkAnchor(c)
	}
	if r.anchor && !r.lpush {
		if err := r.checkAnchor(c); err != nil {
			return err
		}
		r.anchor = false
		n--
	}
	r.left = n
	return nil
}
