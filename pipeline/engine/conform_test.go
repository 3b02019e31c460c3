package engine_test

import (
	"context"
	"slices"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

// The source and the sink that the engine is tested with keep the contract
// themselves.

func TestTapesConform(t *testing.T) {
	values := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"}
	conform.Source(t, conform.SourceCase{Values: values, Fresh: func(*testing.T) pipeline.Source {
		s := newTapes(&witness{committed: map[string]uint64{"a": 12}})
		s.push("a", values...)
		return s
	}})
}

func TestLedgerConforms(t *testing.T) {
	conform.Sink(t, conform.SinkCase{Positions: true, Fresh: func(*testing.T) (pipeline.Sink, func(*testing.T) []string) {
		s := newLedger(&witness{})
		return s, func(*testing.T) []string { return s.order() }
	}})
}

func TestMemoryConforms(t *testing.T) {
	conform.Transform(t, conform.TransformCase{Fresh: func(*testing.T) pipeline.Transform {
		return &memory{watch: &witness{}, before: func(context.Context, *pipeline.Batch) error { return nil }}
	}, Fill: func(b *pipeline.Batch) {
		for _, value := range slices.Backward([]string{"a", "b", "c"}) {
			b.Add().Value = pipeline.RawValue(b.Arena.Copy([]byte(value)))
		}
	}})
}
