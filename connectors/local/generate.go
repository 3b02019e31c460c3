package local

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// GenerateSettings are the settings of the source generate.
type GenerateSettings struct {
	Events uint64  `yaml:"events" doc:"How many events to make; 0: without end." default:"0" example:"1000000"`
	Rate   float64 `yaml:"rate" doc:"Events per second; 0: as fast as they are taken." default:"0" example:"2000"`
	Users  int     `yaml:"users" doc:"How many users take turns." default:"1000"`
	Seed   uint64  `yaml:"seed" doc:"Another seed gives other events; the same seed the same ones." default:"1"`
}

// Validate finds values that make no sense.
func (s GenerateSettings) Validate() []pipeline.Problem {
	var problems []pipeline.Problem
	if s.Rate < 0 || s.Rate > 1e9 {
		problems = append(problems, pipeline.Problem{
			Field: "rate", What: "is out of range", Do: "write events per second, 0 to 1000000000",
		})
	}
	if s.Users < 1 || s.Users > 10_000_000 {
		problems = append(problems, pipeline.Problem{
			Field: "users", What: "is out of range", Do: "write a number from 1 to 10000000",
		})
	}
	return problems
}

// Generate is a source of shop events (see Shop) in one shard, "shop". The
// user is the record's key. Its position is the number of events made, so that
// the events after any committed position can be made again. Where the sink
// keeps no positions, a new process starts with the first event.
type Generate struct {
	settings GenerateSettings

	mu      sync.Mutex
	settled uint64
	closed  bool
}

var _ pipeline.Source = (*Generate)(nil)

// NewGenerate returns the source. Nothing runs before a reader is opened.
func NewGenerate(s GenerateSettings) *Generate { return &Generate{settings: s} }

// Shards names the one shard.
func (g *Generate) Shards(context.Context) ([]string, error) { return []string{"shop"}, nil }

// Open starts at the committed position. Error: Gap where it was committed with
// another seed or another number of users.
func (g *Generate) Open(_ context.Context, req pipeline.OpenRequest) (pipeline.Reader, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errClosed
	}
	r := &generateReader{source: g, shop: NewShop(g.settings.Seed, g.settings.Users)}
	r.life = fmt.Sprintf("shop-%d-%d", g.settings.Seed, r.shop.users)
	r.done, r.close = context.WithCancel(context.Background())
	switch {
	case req.From != nil && req.From.Incarnation != r.life:
		return nil, &pipeline.Error{
			Class: pipeline.Gap,
			What:  "the committed position belongs to other generated events (" + req.From.Incarnation + ", not " + r.life + ")",
			Do:    "write the old seed and users, or give the pipeline another name",
		}
	case req.From != nil:
		r.shop.Seek(req.From.Offset.Minor)
	case req.KeepsPosition:
		r.shop.Seek(g.settled)
	}
	r.start = r.position(r.shop.next)
	r.first, r.since = r.shop.next, time.Now()
	return r, nil
}

// Close ends the source.
func (g *Generate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	return nil
}

// generateReader makes events. With a rate, event n is due at a fixed moment
// after the reader was opened: what was held up is caught up with.
type generateReader struct {
	source *Generate
	life   string
	start  pipeline.Position
	first  uint64    // the number of the first event of this reader
	since  time.Time // when it was due
	done   context.Context
	close  context.CancelFunc

	mu   sync.Mutex // guards shop.next
	shop *Shop
	line []byte
}

func (r *generateReader) position(n uint64) pipeline.Position {
	return pipeline.Position{
		Incarnation: r.life,
		Offset:      pipeline.Offset{Minor: n},
		Evidence:    pipeline.Evidence{Added: n},
	}
}

func (r *generateReader) Start() pipeline.Position { return r.start }

// end is the number of events that there are to read at now.
func (r *generateReader) end(now time.Time) uint64 {
	s := r.source.settings
	end := ^uint64(0)
	if s.Rate > 0 {
		end = r.first + 1 + uint64(now.Sub(r.since).Seconds()*s.Rate)
	}
	if s.Events > 0 {
		end = min(end, s.Events)
	}
	return end
}

// due is when event n happens.
func (r *generateReader) due(n uint64, now time.Time) time.Time {
	rate := r.source.settings.Rate
	if rate <= 0 || n < r.first {
		return now
	}
	return r.since.Add(time.Duration(float64(n-r.first) / rate * float64(time.Second)))
}

func (r *generateReader) Wait(ctx context.Context) error {
	for {
		next, now := r.made(), time.Now()
		if err := r.err(ctx); err != nil {
			return err
		}
		if next < r.end(now) {
			return nil
		}
		if events := r.source.settings.Events; events > 0 && next >= events {
			return pipeline.ErrEnd
		}
		// A moment later than due, against rounding.
		timer := time.NewTimer(r.due(next, now).Sub(now) + time.Microsecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-r.done.Done():
		}
		timer.Stop()
	}
}

func (r *generateReader) err(ctx context.Context) error {
	if r.done.Err() != nil {
		return errClosed
	}
	return ctx.Err()
}

func (r *generateReader) made() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shop.next
}

func (r *generateReader) Read(ctx context.Context, b *pipeline.Batch, limit pipeline.Limit) error {
	if err := r.err(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for end := r.end(now); r.shop.next < end; {
		n := r.shop.next
		var user string
		r.line, user = r.shop.Append(r.line[:0])
		size := len(user) + len(r.line)
		if !fits(b, limit, size) {
			r.shop.Seek(n)
			break
		}
		rec := b.Add()
		rec.Key = append(b.Arena.Alloc(len(user)), user...)
		rec.Original = b.Arena.Copy(r.line)
		rec.Value = pipeline.RawValue(rec.Original)
		rec.Time = r.due(n, now).Truncate(time.Millisecond)
		rec.Offset = pipeline.Offset{Minor: n + 1}
		b.Read++
		b.Bytes += size
	}
	b.Shard, b.After = "shop", r.position(r.shop.next)
	return nil
}

func (r *generateReader) Rewind(p pipeline.Position) error {
	if r.done.Err() != nil {
		return errClosed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shop.Seek(p.Offset.Minor)
	return nil
}

func (r *generateReader) Settle(ctx context.Context, p pipeline.Position) error {
	if err := r.err(ctx); err != nil {
		return err
	}
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	r.source.settled = max(r.source.settled, p.Offset.Minor)
	return nil
}

// Tail is the last of the events; where they do not end, the last one that is
// due, and without a rate the last one made.
func (r *generateReader) Tail(ctx context.Context) (pipeline.Position, error) {
	if err := r.err(ctx); err != nil {
		return pipeline.Position{}, err
	}
	if events := r.source.settings.Events; events > 0 {
		return r.position(events), nil
	}
	made := r.made()
	return r.position(made + r.waiting(made)), nil
}

func (r *generateReader) Lag(ctx context.Context) (int64, error) {
	if err := r.err(ctx); err != nil {
		return -1, err
	}
	return int64(r.waiting(r.made())), nil
}

// waiting counts the events there are beyond those made.
func (r *generateReader) waiting(made uint64) uint64 {
	end := r.end(time.Now())
	if end == ^uint64(0) || end < made {
		return 0
	}
	return end - made
}

func (r *generateReader) Close() error {
	r.close()
	return nil
}
