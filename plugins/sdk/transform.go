package sdk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/wire"
)

// Transform is a Func or a BatchFunc.
type Transform interface {
	apply(ctx context.Context, b *Batch) error
}

// Func transforms one record: it gives what becomes of it, in order. None: the record goes
// no further. Itself, changed or not, or several: itself and clones of it, or clones alone.
// An error refuses the record, with its text as the reason, and on_error of the pipeline
// says what becomes of it; Again tells of one that may pass. It returns soon after ctx has
// ended.
type Func func(ctx context.Context, r *Record) ([]*Record, error)

// BatchFunc transforms a batch: it says of each of b.Records what becomes of it, by
// Batch.Become and Batch.Refuse; those of which it says nothing go on as they are, changed
// or not. An error fails the batch as a whole: it comes again.
type BatchFunc func(ctx context.Context, b *Batch) error

// Batch is some records of one shard, in order.
type Batch struct {
	Records []*Record

	fates []fate
}

// fate is what becomes of a record.
type fate struct {
	decided bool
	records []*Record
	err     error
}

// Become says what becomes of the i-th record, as a Func does.
func (b *Batch) Become(i int, records ...*Record) { b.fates[i] = fate{decided: true, records: records} }

// Refuse refuses the i-th record.
func (b *Batch) Refuse(i int, why error) { b.fates[i] = fate{decided: true, err: why} }

// again is an error that may pass.
type again struct{ error }

// Again makes an error of a record one that may pass: where the pipeline says on_error:
// {retry: …}, the record is tried again.
func Again(err error) error { return again{err} }

// Unwrap gives the error.
func (a again) Unwrap() error { return a.error }

func (f BatchFunc) apply(ctx context.Context, b *Batch) error { return f(ctx, b) }

func (f Func) apply(ctx context.Context, b *Batch) error {
	for i, r := range b.Records {
		if err := ctx.Err(); err != nil {
			return err
		}
		if records, err := f.safely(ctx, r); err != nil {
			b.Refuse(i, err)
		} else {
			b.Become(i, records...)
		}
	}
	return nil
}

// safely makes a refusal of a panic; where it was, standard error tells.
func (f Func) safely(ctx context.Context, r *Record) (records []*Record, err error) {
	defer func() {
		if p := recover(); p != nil {
			what := fmt.Sprintf("%T", p) // what it says may be of the record
			if fault, ok := p.(runtime.Error); ok {
				what = fault.Error()
			}
			fmt.Fprintf(os.Stderr, "[ERROR] the plugin panicked: %s\n%s", what, debug.Stack())
			err = errors.New("the plugin panicked; its log says where")
		}
	}()
	return f(ctx, r)
}

// newBatch reads the records of a block.
func newBatch(block []byte, n int, decoded bool) (*Batch, error) {
	values := &pipeline.Batch{}
	all := make([]Record, n)
	b := &Batch{Records: make([]*Record, n), fates: make([]fate, n)}
	in, packed := wire.NewReader(block), wire.Record{}
	for i := range all {
		if err := in.Record(&packed); err != nil {
			return nil, err
		}
		r := &all[i]
		*r = Record{batch: values, decoded: decoded, topic: string(packed.Topic), time: packed.Time}
		if packed.Parts&wire.HasKey != 0 {
			r.key = packed.Key
		}
		for _, h := range packed.Headers {
			r.headers = append(r.headers, Header{Key: string(h.Name), Value: h.Value})
		}
		if decoded { // Penstock has seen to it that it is JSON
			_ = r.value.Set(values, nil, packed.Value)
		} else {
			r.value = pipeline.RawValue(packed.Value)
		}
		b.Records[i] = r
	}
	if !in.Done() {
		return nil, errors.New("the block holds more records than the call says")
	}
	return b, nil
}

// answer packs what became of the records.
func (b *Batch) answer() []byte {
	var out []byte
	kept, dropped := 0, 0
	flush := func() {
		if kept > 0 {
			out = wire.AppendRun(out, wire.Keep, kept)
		}
		if dropped > 0 {
			out = wire.AppendRun(out, wire.Drop, dropped)
		}
		kept, dropped = 0, 0
	}
	for i, r := range b.Records {
		f := b.fates[i]
		if !f.decided {
			f.records = []*Record{r}
		}
		switch {
		case f.err == nil && len(f.records) == 1 && f.records[0] == r && r.same():
			if dropped > 0 {
				flush()
			}
			kept++
		case f.err == nil && len(f.records) == 0:
			if kept > 0 {
				flush()
			}
			dropped++
		default:
			flush()
			out = f.append(out)
		}
	}
	flush()
	return out
}

// append packs a record that was refused, or has become others.
func (f fate) append(out []byte) []byte {
	if f.err != nil {
		_, mayPass := errors.AsType[again](f.err)
		return wire.AppendRefusal(out, f.err.Error(), mayPass)
	}
	out = wire.AppendBecome(out, len(f.records))
	for _, r := range f.records {
		packed := r.wire()
		out = wire.AppendRecord(out, &packed)
	}
	return out
}
