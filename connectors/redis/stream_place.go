package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/penstock-io/penstock/pipeline"
)

var _ pipeline.Placer = (*StreamSource)(nil)

// Place gives a place of the stream: an entry's id, after which it is read; before the
// first one there is, it is the oldest. Where the stream does not hold what was
// committed, the place is of another incarnation. After a
// place that was chosen by id it is not known how many entries lie before it, so what
// is trimmed unread from there on is only counted once all was read.
func (s *StreamSource) Place(ctx context.Context, shard, at string, last *pipeline.Position) (pipeline.Position, error) {
	r := &streamReader{source: s, key: shard}
	g, err := r.glance(ctx)
	if err != nil {
		return pipeline.Position{}, err
	}
	if !g.exists {
		return pipeline.Position{}, &pipeline.Error{Class: pipeline.Permanent, What: "there is no stream " + shard + " in Redis", Do: "check keys, and the name of the shard"}
	}
	p := pipeline.Position{Incarnation: rand.Text()}
	if last != nil && g.differs(*last) == "" {
		p.Incarnation = last.Incarnation
	}
	p.Evidence.EntriesAdded = g.added
	switch at {
	case pipeline.Oldest:
		return g.oldest(p), nil
	case pipeline.Newest:
		return g.newestAfter(p), nil
	case pipeline.Kept:
		return r.keptPlace(ctx)
	}
	text := at
	if !strings.Contains(text, "-") {
		text += "-0"
	}
	id, ok := parseID([]byte(text))
	if !ok || g.last.Compare(id) < 0 {
		return pipeline.Position{}, &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("stream %s has no place %s: its ids go from %s to %s", shard, at, g.first, g.last),
			Do: "choose an entry's id, after which it is to be read, or oldest, or newest"}
	}
	p.Offset = id
	switch {
	case last != nil && last.Offset == id && last.Incarnation == p.Incarnation:
		return *last, nil
	case id == g.last:
		return g.newestAfter(p), nil
	case g.allAfter(p):
		return g.oldest(p), nil
	}
	return p, nil
}

// oldest makes p the place before all there is: what was removed is counted as passed.
func (g glance) oldest(p pipeline.Position) pipeline.Position {
	p.Offset, p.Evidence.Added = pipeline.Offset{}, g.added-min(g.added, uint64(g.length)) //nolint:gosec // a length
	return p
}

// newestAfter makes p the place after all there ever was.
func (g glance) newestAfter(p pipeline.Position) pipeline.Position {
	p.Offset, p.Evidence.Added = g.last, g.added
	return p
}

// keptPlace is where the companion says.
func (r *streamReader) keptPlace(ctx context.Context) (pipeline.Position, error) {
	p, err := r.kept(ctx)
	if err != nil {
		return pipeline.Position{}, err
	}
	if p == nil {
		return pipeline.Position{}, &pipeline.Error{Class: pipeline.Permanent, What: "nothing in Redis says how far stream " + r.key + " was read", Do: "choose a place with positions set"}
	}
	return *p, nil
}

// Forget does nothing: of a stream whose positions a sink stores the source keeps none.
func (s *StreamSource) Forget(context.Context, string, *pipeline.Position) error { return nil }
