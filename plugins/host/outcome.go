package host

import (
	"errors"
	"fmt"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/wire"
)

// outcome is what a plugin makes of a record.
type outcome struct {
	kind    wire.Kind
	why     string // of Refuse
	mayPass bool   // of Refuse
	records []wire.Record
}

// maxParts is how many records a plugin may make of one.
const maxParts = 100_000

// read reads the answer about n records. The error says what is wrong with it.
func read(block []byte, n int) ([]outcome, error) {
	out := make([]outcome, 0, n)
	in := wire.NewReader(block)
	for !in.Done() {
		a, err := in.Answer()
		if err != nil {
			return nil, err
		}
		count := 1
		if a.Kind == wire.Keep || a.Kind == wire.Drop {
			count = a.N
		}
		if count > n-len(out) {
			return nil, fmt.Errorf("it answers about more than the %d records it was given", n)
		}
		one := outcome{kind: a.Kind, mayPass: a.MayPass}
		switch a.Kind {
		case wire.Refuse:
			one.why = shortened(string(a.Why))
		case wire.Become:
			if a.N > maxParts {
				return nil, fmt.Errorf("it makes %d records of one, and %d are the most", a.N, maxParts)
			}
			for range a.N {
				var r wire.Record
				if err := in.Record(&r); err != nil {
					return nil, err
				}
				one.records = append(one.records, r)
			}
		}
		for range count {
			out = append(out, one)
		}
	}
	if len(out) < n {
		return nil, fmt.Errorf("it answers about %d of %d records", len(out), n)
	}
	return out, nil
}

// apply makes of the live records of a batch what the outcomes say, one for each.
func apply(b *pipeline.Batch, outcomes []outcome, decoded bool) {
	var counts []int
	var become [][]made // of each record that stays, nil: it is as it was
	next := 0
	for r := range b.Live {
		o := outcomes[next]
		next++
		switch o.kind {
		case wire.Drop:
			r.Fate = pipeline.Filtered
			continue
		case wire.Refuse:
			r.Fail(refusal(o))
			continue
		case wire.Keep:
			counts, become = append(counts, 1), append(become, nil)
			continue
		}
		records, err := makeOf(b, r, o.records, decoded)
		if err != nil {
			r.Fail(err)
			continue
		}
		counts, become = append(counts, len(records)), append(become, records)
	}
	b.Expand(counts)
	at, part := 0, 0
	for r := range b.Live {
		if become[at] != nil {
			become[at][part].put(r)
		}
		if part++; part >= max(counts[at], 1) {
			at, part = at+1, 0
		}
	}
}

func refusal(o outcome) error {
	if o.why == "" {
		o.why = "the plugin gives no reason"
	}
	if o.mayPass {
		return errors.New(o.why)
	}
	return &pipeline.Error{Class: pipeline.Permanent, What: o.why}
}

// made is a record as it is to be: in the memory of its batch.
type made struct {
	wire.Record
	value pipeline.Value
}

// makeOf makes records of one, without changing it.
func makeOf(b *pipeline.Batch, r *pipeline.Record, records []wire.Record, decoded bool) ([]made, error) {
	out := make([]made, len(records))
	for i, packed := range records {
		m := made{Record: packed}
		value, kind := r.Value.Raw(), r.Value.Kind()
		if packed.Parts&wire.NewValue != 0 {
			value, kind = b.Arena.Copy(packed.Value), pipeline.Opaque
			if decoded {
				kind = pipeline.Document
			}
		} else if i == 0 {
			m.value = r.Value
			out[i] = m
			continue
		}
		switch kind {
		case pipeline.Document:
			v, err := b.Document(value)
			if err != nil {
				return nil, &pipeline.Error{Class: pipeline.Permanent, What: "the plugin has made a value of the record that is no JSON", Do: "mend the plugin"}
			}
			m.value = v
		case pipeline.Text:
			m.value = pipeline.TextValue(value)
		default:
			m.value = pipeline.RawValue(value)
		}
		out[i] = m
	}
	for i := range out {
		m := &out[i]
		m.Key = b.Arena.Copy(m.Key)
		for j := range m.Headers {
			m.Headers[j].Value = b.Arena.Copy(m.Headers[j].Value)
		}
	}
	return out, nil
}

// put writes what was made into its place.
func (m *made) put(r *pipeline.Record) {
	r.Value = m.value
	if m.Parts&wire.NewKey != 0 {
		r.Key = nil
		if m.Parts&wire.HasKey != 0 {
			r.Key = m.Key
		}
	}
	if m.Parts&wire.NewTopic != 0 {
		r.Topic = string(m.Topic)
	}
	if m.Parts&wire.NewTime != 0 {
		r.Time = time.UnixMilli(m.Time)
	}
	if m.Parts&wire.NewHeaders != 0 {
		r.Headers = make([]pipeline.Header, len(m.Headers))
		for i, h := range m.Headers {
			r.Headers[i] = pipeline.Header{Key: string(h.Name), Value: h.Value}
		}
	}
}
