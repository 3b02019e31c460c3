package redis

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// GroupSource reads streams as a consumer of a group, which others may read
// beside it: at least once, in order per consumer. It is a pipeline.Source; each
// consumer of each key is a shard.
//
// Redis keeps what was handed out and not acknowledged, so the source keeps no
// position: Settle acknowledges.
type GroupSource struct {
	settings StreamSettings
	client   *client
	name     string // of the consumers, unless the settings say another one
	shards   map[string]consumer
	claims   capability // XREADGROUP … CLAIM
}

// consumer is one shard: a consumer of a key.
type consumer struct {
	key  string
	name string
	// known: this process had it open before, so that what is pending was handed
	// out to this process already.
	known bool
}

var _ pipeline.Source = (*GroupSource)(nil)

// NewGroupSource makes a source of settings with a group. instance names this
// process and run: consumers are called like it where the settings say nothing.
// It connects to nobody yet. Errors: Permanent, of settings and files.
func NewGroupSource(s StreamSettings, instance string, log *slog.Logger) (*GroupSource, error) {
	c, err := s.newClient(log)
	if err != nil {
		return nil, err
	}
	name := instance
	if s.Group.Consumer != "" {
		name = s.Group.Consumer
	}
	return &GroupSource{settings: s, client: c, name: name, shards: map[string]consumer{}}, nil
}

// Shards gives the consumers: each key, or key#1, key#2… where there are several.
func (s *GroupSource) Shards(ctx context.Context) ([]string, error) {
	keys, err := s.client.shards(ctx, s.settings.Keys, "stream")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, key := range keys {
		for n := 1; n <= s.settings.Group.Consumers; n++ {
			shard, name := key, s.consumer(n)
			if s.settings.Group.Consumers > 1 {
				shard = fmt.Sprintf("%s#%d", key, n)
			}
			if _, there := s.shards[shard]; !there {
				s.shards[shard] = consumer{key: key, name: name}
			}
			names = append(names, shard)
		}
	}
	return names, nil
}

// consumer names one of the consumers of each key, from 1 on.
func (s *GroupSource) consumer(n int) string {
	if s.settings.Group.Consumers == 1 {
		return s.name
	}
	return fmt.Sprintf("%s#%d", s.name, n)
}

// has tells whether a consumer is one of this source.
func (s *GroupSource) has(name string) bool {
	for n := 1; n <= s.settings.Group.Consumers; n++ {
		if s.consumer(n) == name {
			return true
		}
	}
	return false
}

// Close closes the connections that the shards share.
func (s *GroupSource) Close() error { return s.client.Close() }

// Open makes the group where it is missing, and reads as one of its consumers:
// first what is pending for it, then what is new.
func (s *GroupSource) Open(ctx context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	c, ok := s.shards[req.Shard]
	if !ok {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "there is no shard " + req.Shard}
	}
	if err := s.client.checkType(ctx, c.key, "stream"); err != nil {
		return nil, err
	}
	r := &groupReader{
		entryParser: s.settings.parser(), source: s, key: c.key, consumer: c.name, fresh: !c.known,
		next: request{count: firstCount}, claimed: time.Now(), settled: make(chan struct{}, 1),
	}
	if err := r.makeGroup(ctx); err != nil {
		return nil, err
	}
	c.known = true
	s.shards[req.Shard] = c
	if err := r.canClaim(ctx); err != nil {
		return nil, err
	}
	r.begin()
	r.start = r.cursor
	return r, nil
}

// groupReader is one consumer. Positions are entry ids, within an incarnation: one
// pass over what is pending, and what is new after it. Entries that are claimed from
// another consumer have ids before those, so they begin another incarnation, once
// all of the one before is acknowledged.
type groupReader struct {
	entryParser
	source        *GroupSource
	key, consumer string
	start         pipeline.Position

	cursor  pipeline.Position // after what was read
	pending bool              // what is pending after the cursor comes first
	fresh   bool              // what is pending is handed out once more, not merely read again
	page    []handed          // what is pending next
	took    []handed          // the part of it that the reply under way should hold
	lost    []string          // ids that were pending and are not there any more
	again   bool              // entries were claimed: another incarnation begins
	counted bool              // as handed out, when they were
	claimed time.Time         // when that was last looked for
	next    request           // how many entries to ask for
	asked   int               // entries asked for in the request under way, 0: none is
	left    int64             // entries of the reply that are not read yet
	doubt   bool              // an exchange has failed since the last one that did not
	live    link

	draining atomic.Bool // until the group has nothing new
	settled  chan struct{}

	mu          sync.Mutex
	incarnation string
	delivered   []pipeline.Offset // of the incarnation: read, and not acknowledged, in order
	lives       int
	marked      time.Time // when the watermark was last kept
}

// handed is a pending entry.
type handed struct {
	id    pipeline.Offset
	times int64 // it was handed out
}

// begin begins an incarnation.
func (r *groupReader) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lives++
	r.incarnation = fmt.Sprint(r.consumer, " ", r.lives)
	r.cursor = pipeline.Position{Incarnation: r.incarnation}
	r.pending, r.again, r.page = true, false, nil
}

// Start is before what is pending.
func (r *groupReader) Start() pipeline.Position { return r.start }

// Rewind reads again what is pending after p.
func (r *groupReader) Rewind(p pipeline.Position) error {
	r.reset()
	r.mu.Lock()
	n := r.acknowledged(p)
	r.delivered = slices.Delete(r.delivered, n, len(r.delivered))
	r.mu.Unlock()
	r.cursor, r.pending, r.fresh = p, true, false
	return r.live.usable()
}

// acknowledged counts the delivered entries up to p. Those of an earlier incarnation
// are acknowledged already.
func (r *groupReader) acknowledged(p pipeline.Position) int {
	if p.Incarnation != r.incarnation {
		return 0
	}
	n, found := slices.BinarySearchFunc(r.delivered, p.Offset, pipeline.Offset.Compare)
	if found {
		n++
	}
	return n
}

func (r *groupReader) reset() {
	r.live.drop()
	r.left, r.asked, r.page, r.took = 0, 0, nil, nil
}

// failed gives up the connection and classes the error.
func (r *groupReader) failed(doing string, err error) error {
	r.reset()
	r.pending, r.doubt = true, true // a reply that was lost may have handed out entries
	return r.source.client.classify(doing, r.next.failed(err))
}
