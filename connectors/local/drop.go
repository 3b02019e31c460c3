package local

import (
	"context"
	"sync"

	"github.com/penstock-io/penstock/pipeline"
)

// DropSettings are the settings of the sink drop: there are none.
type DropSettings struct{}

// Drop is a sink that counts records and throws them away. It stores no
// positions, and has no place for dead letters either: it throws them away too.
type Drop struct {
	mu             sync.Mutex
	owners         map[laneName]*dropLane
	records, bytes uint64
}

var _ pipeline.Sink = (*Drop)(nil)

// NewDrop returns the sink.
func NewDrop(DropSettings) *Drop { return &Drop{owners: map[laneName]*dropLane{}} }

// Open hands out the lane, whose earlier owner loses it. There are no positions.
func (d *Drop) Open(_ context.Context, id pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	lane := &dropLane{sink: d, name: laneName{id.Pipeline, id.Lane}}
	d.owners[lane.name] = lane
	return lane, nil, nil
}

// Count tells how many records, and bytes of their keys and values, were
// committed so far, those to be delivered only.
func (d *Drop) Count() (records, bytes uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.records, d.bytes
}

// Close does nothing.
func (d *Drop) Close() error { return nil }

// dropLane counts what is written until it is committed. The sink's mutex guards
// it.
type dropLane struct {
	sink           *Drop
	name           laneName
	closed         bool
	records, bytes uint64
}

func (l *dropLane) Check(*pipeline.Record) error { return nil }

func (l *dropLane) Write(_ context.Context, b *pipeline.Batch) error {
	l.sink.mu.Lock()
	defer l.sink.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	for r := range b.Live {
		l.records++
		l.bytes += uint64(len(r.Key) + len(r.Value.Raw()))
	}
	return nil
}

func (l *dropLane) Commit(context.Context, map[string]pipeline.Position) error {
	l.sink.mu.Lock()
	defer l.sink.mu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	l.sink.records += l.records
	l.sink.bytes += l.bytes
	l.records, l.bytes = 0, 0
	return nil
}

// usable is an error once the lane is closed or another has its place.
func (l *dropLane) usable() error {
	switch {
	case l.closed:
		return errClosed
	case l.sink.owners[l.name] != l:
		return errFenced
	}
	return nil
}

func (l *dropLane) Close(context.Context) error {
	l.sink.mu.Lock()
	defer l.sink.mu.Unlock()
	l.closed = true
	return nil
}
