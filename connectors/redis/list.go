package redis

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// ListSource reads lists by position: LRANGE beside the companion, in one
// MULTI, and a checked LTRIM after the commit. It is a pipeline.Source.
type ListSource struct {
	settings ListSettings
	client   *client
	checked  bool // the server's eviction policy was looked at
}

var _ pipeline.Source = (*ListSource)(nil)

// NewListSource makes a source. It connects to nobody yet. Errors: Permanent,
// of settings and files.
func NewListSource(s ListSettings, log *slog.Logger) (*ListSource, error) {
	c, err := s.newClient(log)
	if err != nil {
		return nil, err
	}
	return &ListSource{settings: s, client: c}, nil
}

// Shards gives the keys.
func (s *ListSource) Shards(ctx context.Context) ([]string, error) {
	found, err := s.client.shards(ctx, s.settings.Keys, "list")
	return slices.DeleteFunc(found, s.leftOut), err
}

// leftOut tells of a key that a pattern has found whether it cannot be read; the
// others are no worse for it. The log says so once.
func (s *ListSource) leftOut(key string) bool {
	_, err := companionOf(key)
	if err == nil || slices.Contains(s.settings.Keys, key) {
		return false
	}
	if _, said := s.client.said.LoadOrStore("left out "+key, true); !said {
		s.client.log.Warn("a list that keys match is left out", "list", key, "why", err)
	}
	return true
}

// Close closes the connections that the shards share.
func (s *ListSource) Close() error { return s.client.Close() }

// Open opens one list; see listReader.open for what it checks and cleans up.
func (s *ListSource) Open(ctx context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	if !s.checked {
		if err := s.checkEviction(ctx); err != nil {
			return nil, err
		}
		s.checked = true
	}
	if err := s.client.checkType(ctx, req.Shard, "list"); err != nil {
		return nil, err
	}
	r, err := s.reader(req.Shard)
	if err != nil {
		return nil, err
	}
	if err := r.open(ctx, req); err != nil {
		return nil, err
	}
	if s.settings.Trigger.continuous() {
		return r, nil
	}
	return s.settings.Trigger.schedule(r)
}

// reader makes a reader that is not open yet.
func (s *ListSource) reader(key string) (*listReader, error) {
	companion, err := companionOf(key)
	if err != nil {
		return nil, err
	}
	return &listReader{source: s, key: key, companion: companion, lpush: s.settings.PushedBy == "lpush",
		next: request{count: firstCount}, settledNow: make(chan struct{}, 1)}, nil
}

// listReader reads one list. Reading and trimming take turns: a read that races
// a trim would skip items, or be thrown away.
type listReader struct {
	source    *ListSource
	key       string
	companion string
	lpush     bool
	start     pipeline.Position

	live   link
	doubt  bool              // an exchange has failed since the last one that did not
	cursor pipeline.Position // after what was read; its hash is of the last item
	next   request           // how many items to ask for
	left   int64             // items of the reply that are not read yet
	anchor bool              // the first (lpush: the last) item of the reply was read before
	fresh  bool              // another incarnation has begun: Read gives where it starts
	pause  time.Duration     // before the next look at a list that has nothing new
	full   time.Time         // when the server was last out of memory

	turn        sync.Mutex // one reads or trims at a time; guards what follows
	incarnation string     // the companion's
	base        uint64     // the companion's position as last seen: items removed
	highest     uint64     // the highest base there was: Redis has lost writes where base is lower
	runs        []run      // what was read and is not trimmed, for the trim's check
	broken      error      // a Gap that the trim has found; with on_gap: continue the next look starts over

	settledNow chan struct{} // something was trimmed
}

// run is a batch as the trim's check needs it.
type run struct {
	start, end uint64 // the positions before and after it
	first      string // SHA-1 of its first item
}

func (r *listReader) Start() pipeline.Position { return r.start }

// Wait looks until there are items after the cursor. While the list is empty
// and nothing waits for its commit, the server blocks (BLMOVE onto itself takes
// no item); else it looks again, less and less often, or when something was
// trimmed.
func (r *listReader) Wait(ctx context.Context) error {
	if r.live.spent() {
		r.reset()
	}
	for r.left == 0 && !r.fresh {
		doubt := r.doubt
		if err := r.lookOrBlock(ctx); err != nil {
			return r.failed(ctx, "reading list "+r.key, err)
		}
		r.doubt = false
		if r.left == 0 && doubt {
			return nil // Read finds nothing; but the server answers again
		}
		if r.left == 0 && r.pause > 0 {
			r.idle(ctx)
		}
	}
	r.pause = 0
	return r.live.usable()
}

// lookOrBlock looks once, and waits in the server where nothing can come but by
// a push.
func (r *listReader) lookOrBlock(ctx context.Context) error {
	c, stop, err := r.live.get(ctx, r.source.client, r.key)
	if err != nil {
		return err
	}
	defer stop()
	err = r.look(c)
	if err == nil && r.left == 0 && !r.doubt && r.drained() {
		r.pause = 0
		err = r.block(c)
	}
	if errors.Is(err, errTrimmedMeanwhile) || r.fullNow(err) || r.live.follow(err, r.source.client) {
		r.reset()
		r.pause = 0
		return nil
	}
	return err
}

const (
	firstPause = time.Millisecond
	maxPause   = 50 * time.Millisecond
)

// idle waits until something was trimmed, or the pause is over.
func (r *listReader) idle(ctx context.Context) {
	timer := time.NewTimer(r.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.settledNow:
	case <-ctx.Done():
	}
}

// drained tells whether everything that was read is trimmed.
func (r *listReader) drained() bool {
	r.turn.Lock()
	defer r.turn.Unlock()
	return r.base == r.cursor.Offset.Minor
}

// block waits in the server until somebody pushes
// (https://redis.io/docs/latest/commands/blmove/). A server that takes no writes
// refuses, although nothing is to be written: then it is only a pause.
func (r *listReader) block(c *conn) error {
	end := "LEFT"
	if r.lpush {
		end = "RIGHT"
	}
	c.command("BLMOVE", r.key, r.key, end, end, strconv.Itoa(int(blockFor.Seconds())))
	if err := c.flush(blockFor + answerPatience); err != nil {
		return err
	}
	_, n, err := c.next()
	if r.source.client.at.master != "" {
		defer r.reset() // the Sentinels may name another one by now
	}
	if answer, ok := errors.AsType[replyError](err); ok && r.refuses(answer) {
		r.pause = maxPause
		return nil
	}
	if err != nil {
		return err
	}
	return c.skip(n)
}

// refuses tells whether the server does not wait for a push: it takes no writes
// now, does not let this user, or is older than Redis 6.2.
func (r *listReader) refuses(answer replyError) bool {
	instead := "an empty list is looked at every " + maxPause.String()
	word, rest, _ := strings.Cut(string(answer), " ")
	switch {
	case word == "ERR" && strings.HasPrefix(rest, "unknown command"):
		r.source.client.absent("BLMOVE (Redis 6.2)", instead)
	case word == "NOPERM":
		r.source.client.absent("BLMOVE for this user (+blmove in its ACL)", instead)
	default:
		return slices.Contains([]string{"OOM", "READONLY", "NOREPLICAS", "MISCONF"}, word)
	}
	return true
}

// Rewind forgets what was read after p. A position of an incarnation that has
// ended meanwhile means the start of the one there is.
func (r *listReader) Rewind(p pipeline.Position) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	if p.Incarnation != r.incarnation {
		p, r.fresh = r.start, true
	}
	r.reset()
	r.cursor = p
	for i := range r.runs {
		if r.runs[i].end > p.Offset.Minor {
			r.runs[i].end = p.Offset.Minor
			if r.runs[i].start < r.runs[i].end {
				i++
			}
			r.runs = r.runs[:i]
			break
		}
	}
	return r.live.usable()
}

func (r *listReader) rest() { r.reset() }

func (r *listReader) reset() {
	r.live.drop()
	r.left = 0
}

// failed gives up the connection and classes the error. A gap is an error where
// on_gap is halt; else the list is started over, and the error only says so.
func (r *listReader) failed(ctx context.Context, doing string, err error) error {
	r.reset()
	r.doubt = true
	if pipeline.ClassOf(err) == pipeline.Gap && r.source.settings.OnGap == "continue" {
		return r.startOver(ctx, err)
	}
	return r.source.client.classify(doing, r.next.failed(err))
}

// startOver takes the list as a new one. Read gives its first position before
// anything else: it is committed even where the list is empty.
func (r *listReader) startOver(ctx context.Context, gap error) error {
	r.turn.Lock()
	defer r.turn.Unlock()
	if err := r.anew(ctx, r.cursor, gap.Error()); err != nil {
		return err
	}
	r.fresh = true
	return &pipeline.Error{Class: pipeline.Retryable, What: "list " + r.key + " is taken as a new one, from its head"}
}

// Close ends the reading. The error is always nil.
func (r *listReader) Close() error {
	r.live.close()
	return nil
}
