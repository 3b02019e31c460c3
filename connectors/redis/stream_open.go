package redis

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// lookForGaps is how often a reader that is behind looks whether the stream was
// trimmed past it.
const lookForGaps = time.Second

// glance is what a stream says of itself.
type glance struct {
	exists  bool
	length  int64
	last    pipeline.Offset // last-generated-id
	first   pipeline.Offset // of the first entry; zero: there is none
	newest  pipeline.Offset // of the last entry; zero: there is none
	added   uint64          // entries-added; 0: the server does not tell
	counted bool            // the server tells entries-added (7.0 and later)
}

// glance asks XINFO STREAM (https://redis.io/docs/latest/commands/xinfo-stream/).
func (r *streamReader) glance(ctx context.Context) (glance, error) {
	reply, err := r.source.client.Do(ctx, "XINFO", "STREAM", r.key).Slice()
	if err != nil {
		if answer, ok := errors.AsType[redis.Error](err); ok && strings.Contains(answer.Error(), "no such key") {
			return glance{}, nil
		}
		return glance{}, r.source.client.classify("looking at stream "+r.key, err)
	}
	g := glance{exists: true}
	for i := 0; i+1 < len(reply); i += 2 {
		name, _ := reply[i].(string)
		switch value := reply[i+1].(type) {
		case int64:
			switch name {
			case "length":
				g.length = value
			case "entries-added":
				g.added, g.counted = uint64(value), true //nolint:gosec // a count
			}
		case string:
			if name == "last-generated-id" {
				g.last, _ = parseID([]byte(value))
			}
		case []any:
			id, _ := firstOf(value)
			switch name {
			case "first-entry":
				g.first = id
			case "last-entry":
				g.newest = id
			}
		}
	}
	return g, nil
}

// firstOf gives the id of an entry.
func firstOf(entry []any) (pipeline.Offset, bool) {
	if len(entry) == 0 {
		return pipeline.Offset{}, false
	}
	text, _ := entry[0].(string)
	return parseID([]byte(text))
}

// open decides where the reader starts.
func (r *streamReader) open(ctx context.Context, req pipeline.OpenRequest) error {
	g, err := r.glance(ctx)
	if err != nil {
		return err
	}
	r.counts = g.counted
	from := req.From
	if from == nil && r.keeps {
		if from, err = r.kept(ctx); err != nil {
			return err
		}
	}
	if from == nil {
		r.start = r.begin(g, req.First)
	} else if r.start, err = r.resume(g, *from); err != nil {
		return err
	}
	if g.exists && !g.counted {
		r.source.client.absent("entries-added of streams (Redis 7.0)", "entries that are trimmed before they are read go unnoticed")
	}
	return nil
}

// begin is where a shard without a position starts.
func (r *streamReader) begin(g glance, first bool) pipeline.Position {
	p := pipeline.Position{Incarnation: rand.Text()}
	start := r.source.settings.Start
	switch {
	case !first || start == "oldest":
		p.Evidence.Added = g.added - min(g.added, uint64(g.length)) //nolint:gosec // a length
	case start == "newest":
		p.Offset, p.Evidence.Added = g.last, g.added
	default:
		p.Offset, _ = parseID([]byte(start))
	}
	p.Evidence.EntriesAdded = g.added
	return p
}

// resume holds the stream against the committed position.
func (r *streamReader) resume(g glance, from pipeline.Position) (pipeline.Position, error) {
	if why := g.differs(from); why != "" {
		return r.another(g, from, why)
	}
	if lost := r.lost(g, from); lost > 0 {
		if err := r.gap(&from, g, lost); err != nil {
			return from, err
		}
	}
	return from, nil
}

// differs tells why the stream cannot be the one that was read up to p; "": it
// can.
func (g glance) differs(p pipeline.Position) string {
	e := p.Evidence
	switch {
	case p.Offset == pipeline.Offset{} && e.EntriesAdded == 0: // nothing was ever there, or the server does not tell
		return ""
	case !g.exists:
		return "the stream is gone"
	case g.last.Compare(p.Offset) < 0:
		return fmt.Sprintf("the stream's last id is %s, before the position", g.last)
	case g.counted && g.added < e.EntriesAdded:
		return fmt.Sprintf("only %d entries were ever added to the stream, and %d had been", g.added, e.EntriesAdded)
	case g.counted && g.added < e.Added:
		return fmt.Sprintf("only %d entries were ever added to the stream, and %d were read from it", g.added, e.Added)
	case !g.counted || e.EntriesAdded == 0: // the server does not tell, or did not
		return ""
	case e.Added > 0 && g.allAfter(p) && e.Added+uint64(g.length) > g.added: //nolint:gosec // a length
		return fmt.Sprintf("%d entries were read from the stream and %d others are in it, but only %d were ever added", e.Added, g.length, g.added)
	}
	return ""
}

// allAfter tells whether all that is left comes after the position.
func (g glance) allAfter(p pipeline.Position) bool {
	return g.length == 0 || g.first.Compare(p.Offset) > 0
}

// lost counts the entries that were removed before they were read: what was
// added since the position, less what is left of it. It can be told where
// everything that is left comes after the position, but for an anchor there: a reader
// that was not looking has read on behind a gap.
func (r *streamReader) lost(g glance, p pipeline.Position) uint64 {
	anchored := g.length > 0 && g.first == p.Offset
	if !g.counted || !counted(p) || !g.allAfter(p) && !anchored {
		return 0
	}
	there := p.Evidence.Added + uint64(g.length) //nolint:gosec // a length
	if anchored {
		there--
	}
	return g.added - min(g.added, there)
}

// gap is what lost entries lead to: an error, or, with on_gap: continue, a
// warning, and a position that counts them as passed.
func (r *streamReader) gap(p *pipeline.Position, g glance, lost uint64) error {
	if r.source.settings.OnGap == "continue" {
		r.source.client.log.Warn("entries were removed from the stream before they were read", "stream", r.key, "entries", lost,
			"after", p.Offset.String(), "first", g.first.String())
		p.Evidence.Added += lost
		return nil
	}
	return &pipeline.Error{Class: pipeline.Gap,
		What: fmt.Sprintf("%d entries of stream %s were removed (XTRIM, MAXLEN or XDEL) before they were read: read up to %s, the stream now begins at %s", lost, r.key, p.Offset, g.first),
		Do:   "let the writer keep more, then go on with on_gap: continue, or once: penstock positions set FILE " + r.key + " oldest"}
}

// another is what a stream that does not hold the committed position leads to.
func (r *streamReader) another(g glance, from pipeline.Position, why string) (pipeline.Position, error) {
	if from.Offset == (pipeline.Offset{}) && from.Evidence.EntriesAdded <= from.Evidence.Added {
		return r.begin(g, false), nil // it was empty, and nothing was read from it
	}
	if r.source.settings.OnGap != "continue" {
		return from, &pipeline.Error{Class: pipeline.Gap,
			What: fmt.Sprintf("stream %s does not continue what was delivered: %s; committed position %s, stream: %d entries, last id %s", r.key, why, from.Offset, g.length, g.last),
			Do:   "it was deleted and made again, or Redis lost its newest entries; to read it from the start, as a new stream, say on_gap: continue, or once: penstock positions set FILE " + r.key + " oldest"}
	}
	r.source.client.log.Warn("the stream is taken as a new one, from its start", "stream", r.key, "why", why, "committed", from.Offset.String())
	return r.begin(g, false), nil
}

// lookForGap holds the stream against what was read, while no request is under
// way: everything that was sent has been read. caughtUp: nothing came after the
// cursor for a while.
func (r *streamReader) lookForGap(ctx context.Context, caughtUp bool) error {
	r.checked = time.Now()
	g, err := r.glance(ctx)
	if err != nil {
		return err
	}
	r.counts = g.counted
	if why := g.differs(r.cursor); why != "" {
		return r.startOver(g, why)
	}
	lost := r.lost(g, r.cursor)
	if caughtUp && g.counted && g.newest.Compare(r.cursor.Offset) <= 0 { // everything was read, or is gone
		if !counted(r.cursor) {
			r.cursor.Evidence.Added = g.added
		}
		lost = g.added - min(g.added, r.cursor.Evidence.Added)
	}
	r.cursor.Evidence.EntriesAdded = g.added
	if lost > 0 {
		err = r.gap(&r.cursor, g, lost)
	}
	r.moveTo(r.cursor)
	return err
}

// startOver takes the stream as a new one, where on_gap allows it. Read gives its first
// position before anything else.
func (r *streamReader) startOver(g glance, why string) error {
	fresh, err := r.another(g, r.cursor, why)
	if err != nil {
		return err
	}
	r.reset()
	r.moveTo(fresh)
	r.began.Store(&fresh)
	r.fresh = true
	return nil
}
