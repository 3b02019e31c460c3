package sdk

import (
	"context"
	"errors"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/plugins/wire"
)

// Given is a record to try a plugin with.
type Given struct {
	Key     []byte // nil: none
	Value   string
	Topic   string
	Headers []Header
}

// Became is a record that goes on, or why one was refused.
type Became struct {
	Key     []byte
	Value   string
	Topic   string
	Headers []Header
	Refused string // the reason; empty: it goes on
}

// Try reads settings, JSON, and transforms records in one batch, all as Penstock would have
// it, in this process. It gives what becomes of each record, in order, or what the plugin
// says against its settings. The error is of the plugin, or of a value that is no JSON.
func (p Plugin[S]) Try(ctx context.Context, settings string, records ...Given) ([][]Became, []pipeline.Problem, error) {
	s := &server[S]{plugin: p}
	opened, err := s.Open(ctx, &wire.OpenRequest{Settings: settings})
	if err != nil {
		return nil, nil, err
	}
	var problems []pipeline.Problem
	for _, problem := range opened.Problems {
		problems = append(problems, pipeline.Problem{Field: problem.Field, What: problem.What, Do: problem.Do})
	}
	if len(problems) > 0 {
		return nil, problems, nil
	}
	var block []byte
	for _, g := range records {
		if _, err := new(pipeline.Batch).Document([]byte(g.Value)); err != nil && p.Values != Bytes {
			return nil, nil, err
		}
		r := wire.Record{Key: g.Key, Value: []byte(g.Value), Topic: []byte(g.Topic)}
		if g.Key != nil {
			r.Parts = wire.HasKey
		}
		for _, h := range g.Headers {
			r.Headers = append(r.Headers, wire.Header{Name: []byte(h.Key), Value: h.Value})
		}
		block = wire.AppendRecord(block, &r)
	}
	b, err := newBatch(block, len(records), p.Values != Bytes)
	if err != nil {
		return nil, nil, err
	}
	if err := s.transform.apply(ctx, b); err != nil {
		return nil, nil, err
	}
	all := make([][]Became, len(records))
	for i, r := range b.Records {
		all[i] = b.fates[i].became(r)
	}
	return all, nil, nil
}

// became shows what becomes of a record.
func (f fate) became(r *Record) []Became {
	if f.err != nil {
		reason := f.err
		if may, ok := errors.AsType[again](f.err); ok {
			reason = may.error
		}
		return []Became{{Refused: reason.Error()}}
	}
	records := f.records
	if !f.decided {
		records = []*Record{r}
	}
	all := make([]Became, len(records))
	for i, r := range records {
		all[i] = Became{Key: r.key, Value: string(r.value.Raw()), Topic: r.topic, Headers: r.headers}
	}
	return all
}
