package local

import (
	"context"
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

func TestSourcesConform(t *testing.T) {
	events := shopEvents(100)
	for name, fresh := range sources {
		t.Run(name, func(t *testing.T) {
			conform.Source(t, conform.SourceCase{Values: events, Fresh: func(t *testing.T) pipeline.Source { return fresh(t, events) }})
		})
	}
}

func TestSinksConform(t *testing.T) {
	for name, fresh := range lineSinks {
		t.Run(name, func(t *testing.T) {
			conform.Sink(t, conform.SinkCase{Fresh: func(t *testing.T) (pipeline.Sink, func(t *testing.T) []string) {
				sink, content := fresh(t)
				return sink, func(*testing.T) []string {
					text := content()
					if text == "" {
						return nil
					}
					return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
				}
			}})
		})
	}
}

func TestDropConforms(t *testing.T) {
	conform.Sink(t, conform.SinkCase{Fresh: func(*testing.T) (pipeline.Sink, func(t *testing.T) []string) {
		s := &kept{Drop: NewDrop(DropSettings{})}
		return s, func(t *testing.T) []string {
			n, bytes := s.Count()
			if size := len(strings.Join(s.committed, "")); n != uint64(len(s.committed)) || bytes != uint64(size) {
				t.Errorf("it counts %d records of %d bytes, of %d of %d", n, bytes, len(s.committed), size)
			}
			return s.committed
		}
	}})
}

// kept is a Drop of which somebody remembers what it took: it does not itself. Whether a
// commit counts is up to the Drop, and what it has counted is compared each time; the
// values, and their order, are the test's.
type kept struct {
	*Drop
	committed []string
}

func (k *kept) Open(ctx context.Context, id pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	l, positions, err := k.Drop.Open(ctx, id)
	return &keptLane{Lane: l, sink: k}, positions, err
}

type keptLane struct {
	pipeline.Lane
	sink    *kept
	written []string
}

func (l *keptLane) Write(ctx context.Context, b *pipeline.Batch) error {
	err := l.Lane.Write(ctx, b)
	for r := range b.Live {
		l.written = append(l.written, string(r.Value.Raw()))
	}
	return err
}

func (l *keptLane) Commit(ctx context.Context, positions map[string]pipeline.Position) error {
	err := l.Lane.Commit(ctx, positions)
	if err == nil {
		l.sink.committed = append(l.sink.committed, l.written...)
	}
	l.written = nil
	return err
}
