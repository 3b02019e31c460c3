package local

import (
	"context"
	"sync/atomic"

	"github.com/penstock-io/penstock/pipeline"
)

// DropSettings are the settings of the sink drop: there are none.
type DropSettings struct{}

// Drop is a sink that counts records and throws them away. It stores no
// positions, and has no place for dead letters either: it throws them away too.
type Drop struct {
	records, bytes atomic.Uint64
}

var _ pipeline.Sink = (*Drop)(nil)

// NewDrop returns the sink.
func NewDrop(DropSettings) *Drop { return &Drop{} }

// Open hands out a lane. There are no positions.
func (d *Drop) Open(context.Context, pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	return &dropLane{sink: d}, nil, nil
}

// Count tells how many records, and bytes of their keys and values, were
// committed so far, those to be delivered only.
func (d *Drop) Count() (records, bytes uint64) { return d.records.Load(), d.bytes.Load() }

// Close does nothing.
func (d *Drop) Close() error { return nil }

// dropLane counts what is written until it is committed.
type dropLane struct {
	sink           *Drop
	records, bytes uint64
}

func (l *dropLane) Check(*pipeline.Record) error { return nil }

func (l *dropLane) Write(_ context.Context, b *pipeline.Batch) error {
	for r := range b.Live {
		l.records++
		l.bytes += uint64(len(r.Key) + len(r.Value.Raw()))
	}
	return nil
}

func (l *dropLane) Commit(context.Context, map[string]pipeline.Position) error {
	l.sink.records.Add(l.records)
	l.sink.bytes.Add(l.bytes)
	l.records, l.bytes = 0, 0
	return nil
}

func (l *dropLane) Close(context.Context) error {
	l.records, l.bytes = 0, 0
	return nil
}
