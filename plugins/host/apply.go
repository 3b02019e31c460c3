package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/wire"
)

// maxKept bounds a block whose memory is kept for the next one.
const maxKept = 8 << 20

// maxBlock bounds a block of records: a message holds little more.
const maxBlock = wire.MaxMessage - 64<<10

// Apply has the plugin transform the batch; tombstones pass by one that wants JSON. What it
// refuses is Failed, what it takes out Filtered; several records that it makes of one take
// its place. Errors are about the batch as a whole: that no process can be started, or that
// the plugin asks for another attempt.
func (p *Plugin) Apply(ctx context.Context, b *pipeline.Batch) error {
	s := p.pool[p.next.Add(1)%uint64(len(p.pool))]
	i, err := p.instance(ctx, s)
	if err != nil {
		return err
	}
	if i.decoded {
		b.Hide(hasNoValue)
		defer b.Show()
	}
	c := pack(b, i.decoded, p.memory.Get().([]byte))
	defer func() {
		if cap(c.block) <= maxKept {
			p.memory.Put(c.block[:0]) //nolint:staticcheck // the header of a slice, for a block
		}
	}()
	outcomes := make([]outcome, 0, c.len())
	for _, part := range c.blocks() {
		some, err := p.try(ctx, i, c, part)
		if err != nil {
			return err
		}
		outcomes = append(outcomes, some...)
	}
	apply(b, outcomes, i.decoded)
	return nil
}

// hasNoValue tells of a tombstone: there is nothing to be decoded, and it passes by a plugin
// that wants JSON, as it does by formats.
func hasNoValue(r *pipeline.Record) bool {
	return r.Value.Kind() == pipeline.Opaque && len(r.Value.Raw()) == 0
}

// packed are the live records of a batch, packed.
type packed struct {
	block   []byte
	offsets []int // where each begins, and the end
}

// span is a run of packed records.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

func (c *packed) len() int { return len(c.offsets) - 1 }

// of gives the block of a span.
func (c *packed) of(s span) []byte { return c.block[c.offsets[s.from]:c.offsets[s.to]] }

// blocks gives the fewest spans that messages can hold.
func (c *packed) blocks() []span {
	var all []span
	for from := 0; from < c.len(); {
		to := from + 1
		for to < c.len() && c.offsets[to+1]-c.offsets[from] <= maxBlock {
			to++
		}
		all = append(all, span{from, to})
		from = to
	}
	return all
}

// pack packs the live records of a batch into memory. Those that a plugin cannot be given
// are Failed.
func pack(b *pipeline.Batch, decoded bool, memory []byte) *packed {
	c := &packed{block: slices.Grow(memory, b.Bytes+64*len(b.Records)), offsets: make([]int, 1, len(b.Records)+1)}
	var r wire.Record
	for live := range b.Live {
		value, err := valueFor(b, live, decoded)
		if err == nil && len(live.Headers) > wire.MaxHeaders {
			err = tooMuch(fmt.Sprintf("it has %d headers", len(live.Headers)))
		}
		if err != nil {
			live.Fail(err)
			continue
		}
		r = wire.Record{Key: live.Key, Value: value, Topic: []byte(live.Topic), Time: live.Time.UnixMilli(), Headers: r.Headers[:0]}
		if live.Key != nil {
			r.Parts = wire.HasKey
		}
		for _, h := range live.Headers {
			r.Headers = append(r.Headers, wire.Header{Name: []byte(h.Key), Value: h.Value})
		}
		if size := r.Size(); size > maxBlock {
			live.Fail(tooMuch(fmt.Sprintf("it has %d bytes", size)))
			continue
		}
		c.block = wire.AppendRecord(c.block, &r)
		c.offsets = append(c.offsets, len(c.block))
	}
	return c
}

func tooMuch(what string) error {
	return &pipeline.Error{Class: pipeline.Permanent, What: "the record is too large for a plugin: " + what, Do: "let it pass with when, or make it smaller before"}
}

// valueFor gives the value as the plugin wants it.
func valueFor(b *pipeline.Batch, r *pipeline.Record, decoded bool) ([]byte, error) {
	raw := r.Value.Raw()
	switch {
	case !decoded || r.Value.Kind() == pipeline.Document:
		return raw, nil
	case r.Value.Kind() == pipeline.Text:
		return pipeline.AppendString(b.Arena.Alloc(len(raw)+2), raw), nil
	default:
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "value is bytes, and the plugin wants JSON", Do: "set source.format to json"}
	}
}

// errProcess is what costs a process its life.
type errProcess struct {
	why    string
	killed bool // by somebody else, or the system for want of memory
}

func (e *errProcess) Error() string { return e.why }

// call has a process transform a span. The error is an *errProcess where the process is at
// fault, or what it was given; else of the batch.
func (p *Plugin) call(ctx context.Context, i *instance, c *packed, s span) ([]outcome, error) {
	within, cancel := ctx, func() {}
	if i.conn == nil { // in a debugger it takes as long as it takes
		within, cancel = context.WithTimeout(ctx, p.settings.Timeout)
	}
	defer cancel()
	began := time.Now()
	answer, err := i.rpc.Apply(within, &wire.ApplyRequest{Records: uint32(s.len()), Block: c.of(s)}) //nolint:gosec // records of a batch
	p.stats.called(s.len(), time.Since(began))
	if err == nil {
		outcomes, err := read(answer.Block, s.len())
		if err != nil {
			return nil, &errProcess{why: "it answers what is no answer: " + err.Error()}
		}
		return outcomes, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	switch code := status.Code(err); {
	case i.conn != nil:
		return nil, p.fault("fails", err)
	case code == codes.Aborted:
		return nil, p.fault("asks for another attempt", errors.New(status.Convert(err).Message()))
	case code == codes.DeadlineExceeded:
		return nil, &errProcess{why: fmt.Sprintf("it has not answered within %v", p.settings.Timeout)}
	case code == codes.Unavailable:
		return nil, p.ending(i)
	default:
		return nil, &errProcess{why: shortened(status.Convert(err).Message())}
	}
}

// ending tells of a process that does not answer any more.
func (p *Plugin) ending(i *instance) *errProcess {
	select {
	case <-i.process.exited:
		return &errProcess{i.process.why(), i.process.killed()}
	case <-time.After(time.Second): // it closes its connections before it is gone
		return &errProcess{why: "it has closed its connections"}
	}
}

// try has a span transformed by a process that others use too, and where that fails, by one
// alone.
func (p *Plugin) try(ctx context.Context, i *instance, c *packed, s span) ([]outcome, error) {
	outcomes, err := p.call(ctx, i, c, s)
	fault, ok := errors.AsType[*errProcess](err)
	if !ok {
		return outcomes, err
	}
	i.fell()
	p.log.Warn("the plugin has failed with a batch; it is tried again in another process", "records", s.len(), "why", fault.why)
	select {
	case p.sole <- struct{}{}:
		defer func() { <-p.sole }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return p.apart(ctx, c, s, 1)
}

// DoesNotSurvive begins the reason of a record that costs each process its life.
const DoesNotSurvive = "the plugin does not survive the record: "

// How often a record that is alone in a process is tried: more often where somebody may have
// killed the process for reasons of his own.
const (
	attemptsAlone  = 3
	attemptsKilled = 8
)

// apart has a span transformed by a process that nobody else uses; where that does not
// survive, by halves, until one record is found that no process survives.
func (p *Plugin) apart(ctx context.Context, c *packed, s span, attempt int) ([]outcome, error) {
	i, err := p.instance(ctx, &p.alone)
	if err != nil {
		return nil, err
	}
	outcomes, err := p.call(ctx, i, c, s)
	fault, ok := errors.AsType[*errProcess](err)
	if !ok {
		return outcomes, err
	}
	i.fell()
	most := attemptsAlone
	if fault.killed {
		most = attemptsKilled
	}
	if s.len() == 1 && attempt < most {
		return p.apart(ctx, c, s, attempt+1)
	}
	if s.len() == 1 {
		p.log.Error("a record is refused: the plugin does not survive it", "why", fault.why)
		return []outcome{{kind: wire.Refuse, why: DoesNotSurvive + fault.why}}, nil
	}
	middle := s.from + s.len()/2
	first, err := p.apart(ctx, c, span{s.from, middle}, 1)
	if err != nil {
		return nil, err
	}
	second, err := p.apart(ctx, c, span{middle, s.to}, 1)
	return slices.Concat(first, second), err
}
