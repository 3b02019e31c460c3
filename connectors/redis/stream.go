package redis

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// blockFor is how long one XREAD waits in the server.
const blockFor = 5 * time.Second

// StreamSource reads streams by position (XREAD from an id): no consumer group,
// no acknowledgement, nothing to claim. A record's time is that of its entry's id;
// where the id is none (before 2001, or over an hour ahead) the time it was read. It
// is a pipeline.Source.
type StreamSource struct {
	settings StreamSettings
	client   *client
}

var _ pipeline.Source = (*StreamSource)(nil)

// NewStreamSource makes a source. It connects to nobody yet. Errors: Permanent,
// of settings and files.
func NewStreamSource(s StreamSettings, log *slog.Logger) (*StreamSource, error) {
	c, err := s.newClient(log)
	if err != nil {
		return nil, err
	}
	return &StreamSource{settings: s, client: c}, nil
}

// Shards gives the keys.
func (s *StreamSource) Shards(ctx context.Context) ([]string, error) {
	return s.client.shards(ctx, s.settings.Keys, "stream")
}

// Close closes the connections that the shards share.
func (s *StreamSource) Close() error { return s.client.Close() }

// Open opens one stream; see streamReader.open for what it checks.
func (s *StreamSource) Open(ctx context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	if err := s.client.checkType(ctx, req.Shard, "stream"); err != nil {
		return nil, err
	}
	r := &streamReader{entryParser: s.settings.parser(), source: s, key: req.Shard, keeps: req.KeepsPosition, next: request{count: firstCount}}
	if err := r.open(ctx, req); err != nil {
		return nil, err
	}
	r.began.Store(&r.start)
	r.moveTo(r.start)
	if s.settings.Trigger.continuous() {
		return r, nil
	}
	return s.settings.Trigger.schedule(r)
}

// streamReader reads one stream. One request is under way at any time: the next
// one is sent as soon as a reply is used up, so that Redis works meanwhile.
type streamReader struct {
	entryParser
	source *StreamSource
	key    string
	keeps  bool // the position is kept in the companion
	start  pipeline.Position

	cursor  pipeline.Position // after what was read
	next    request           // how many entries to ask for
	asked   int               // entries asked for in the request under way, 0: none is
	left    int64             // entries of the reply that are not read yet
	aim     pipeline.Offset   // the tail as it was when the request under way was sent
	skip    bool              // nothing is left up to aim: Read moves the position there
	fresh   bool              // another incarnation has begun: Read gives where it starts
	checked time.Time         // when gaps were last looked for
	doubt   bool              // an exchange has failed since the last one that did not
	live    link
	counts  bool                              // the server tells entries-added
	began   atomic.Pointer[pipeline.Position] // where this incarnation began, or the reading of it
	tail    atomic.Pointer[pipeline.Position]
	added   atomic.Int64 // cursor.Evidence.Added, -1 where it is not known; for Lag
}

func (r *streamReader) Start() pipeline.Position { return r.start }

// Wait sends a request, where none is under way, and blocks until its reply
// holds entries.
func (r *streamReader) Wait(ctx context.Context) error {
	if r.live.spent() {
		r.reset()
	}
	for r.left == 0 && !r.skip && !r.fresh {
		if r.asked == 0 && time.Since(r.checked) > lookForGaps {
			if err := r.lookForGap(ctx, false); err != nil {
				return err
			}
		}
		doubt := r.doubt
		c, stop, err := r.live.get(ctx, r.source.client, r.key)
		if err != nil {
			return r.failed("connecting", err)
		}
		if err = r.meet(ctx, c); err == nil && !r.fresh {
			err = r.await(c)
		}
		stop()
		if r.live.follow(err, r.source.client) {
			r.reset()
			continue
		}
		if err != nil {
			return r.failed("reading stream "+r.key, err)
		}
		r.doubt = false
		if r.left > 0 || r.fresh {
			return nil
		}
		if r.source.client.at.master != "" {
			r.reset() // the Sentinels may name another one by now
		}
		if err := r.lookForGap(ctx, true); err != nil {
			return err
		}
		if doubt {
			return nil // Read finds nothing; but the server answers again
		}
	}
	return r.live.usable()
}

// await gets to the first entry of the next reply.
func (r *streamReader) await(c *conn) error {
	if r.asked == 0 {
		if err := r.ask(c, !r.doubt); err != nil {
			return err
		}
	}
	n, err := c.streamReply()
	if err != nil {
		return err
	}
	r.asked, r.left = 0, max(n, 0)
	r.skip = n < 0 && r.beforeAim()
	return nil
}

// ask sends the next XREAD (https://redis.io/docs/latest/commands/xread/). Up to
// the tail there is nothing to block for: what was there is there, or is gone.
func (r *streamReader) ask(c *conn, mayBlock bool) error {
	r.aim = pipeline.Offset{}
	if tail := r.tail.Load(); tail != nil && tail.Incarnation == r.cursor.Incarnation {
		r.aim = tail.Offset
	}
	count, patience := strconv.Itoa(r.next.count), answerPatience
	if mayBlock && !r.beforeAim() {
		patience += blockFor
		c.command("XREAD", "COUNT", count, "BLOCK", strconv.FormatInt(blockFor.Milliseconds(), 10), "STREAMS", r.key, r.cursor.Offset.String())
	} else {
		c.command("XREAD", "COUNT", count, "STREAMS", r.key, r.cursor.Offset.String())
	}
	r.asked = r.next.count
	return c.flush(patience)
}

func (r *streamReader) beforeAim() bool { return r.cursor.Offset.Compare(r.aim) < 0 }

// Read takes entries from the reply that Wait has found. A batch that fails is
// thrown away: its entries are then read again.
func (r *streamReader) Read(ctx context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	if r.skip {
		r.cursor.Offset = r.aim
	}
	if r.skip || r.fresh {
		r.skip, r.fresh = false, false
		b.After = r.cursor
		return r.live.usable()
	}
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
	if e := &r.cursor.Evidence; r.counts {
		e.EntriesAdded = max(e.EntriesAdded, e.Added)
	}
	r.moveTo(r.cursor)
	b.Read = len(b.Records)
	b.After = r.cursor
	r.next.fit(b, limit)
	if r.left == 0 && time.Since(r.checked) <= lookForGaps {
		if err := r.ask(c, true); err != nil {
			r.reset() // what was read is whole; Wait says what is wrong
		}
	}
	return nil
}

// take parses entries into b until the reply or the limit is used up.
func (r *streamReader) take(c *conn, b *pipeline.Batch, limit pipeline.Limit) error {
	b.Grow(min(int(r.left), limit.Records))
	now := time.Now()
	for r.left > 0 && len(b.Records) < limit.Records && (b.Bytes < limit.Bytes || len(b.Records) == 0) {
		id, err := r.entry(c, b, now)
		if err != nil {
			return err
		}
		r.left--
		if counted(r.cursor) {
			r.cursor.Evidence.Added++
		}
		r.cursor.Offset = id
	}
	return nil
}

// counted tells whether it is known how many entries of the stream lie up to a
// position. It is not after a start at an id.
func counted(p pipeline.Position) bool {
	return p.Evidence.Added > 0 || p.Offset == pipeline.Offset{}
}

// moveTo sets the cursor.
func (r *streamReader) moveTo(p pipeline.Position) {
	r.cursor = p
	added := int64(-1)
	if counted(p) {
		added = int64(p.Evidence.Added) //nolint:gosec // a count
	}
	r.added.Store(added)
}

// Rewind drops the connection: the reply that may be under way is of no use. A
// position of an incarnation that has ended meanwhile means the start of the one
// there is.
func (r *streamReader) Rewind(p pipeline.Position) error {
	r.reset()
	if began := r.began.Load(); p.Incarnation != began.Incarnation {
		p, r.fresh = *began, true
	}
	r.moveTo(p)
	return r.live.usable()
}

func (r *streamReader) rest() { r.reset() }

func (r *streamReader) reset() {
	r.live.drop()
	r.left, r.asked, r.skip = 0, 0, false
}

// failed gives up the connection and classes the error.
func (r *streamReader) failed(doing string, err error) error {
	r.reset()
	r.doubt = true
	return r.source.client.classify(doing, r.next.failed(err))
}

// Close ends the reading. The error is always nil.
func (r *streamReader) Close() error {
	r.live.close()
	return nil
}
