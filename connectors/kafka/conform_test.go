//go:build unix

package kafka

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

func TestSinkConforms(t *testing.T) {
	conform.Sink(t, conform.SinkCase{Positions: true, Fresh: func(t *testing.T) (pipeline.Sink, func(*testing.T) []string) {
		return conforming(anyKafka(t))
	}, Reopen: reopen})
}

func TestPlainSinkConforms(t *testing.T) {
	conform.Sink(t, conform.SinkCase{Early: true, Fresh: func(t *testing.T) (pipeline.Sink, func(*testing.T) []string) {
		sink, delivered := conforming(anyKafka(t))
		sink.delivery = pipeline.AtLeastOnce
		return sink, delivered
	}})
}

// renamed is a sink whose pipelines have names of the test's own: the suite chooses
// theirs, and the server may be shared.
type renamed struct {
	*Sink
	name string
}

func (r renamed) Open(ctx context.Context, id pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	id.Pipeline = r.name + "_" + id.Pipeline
	return r.Sink.Open(ctx, id)
}

// conforming gives a sink to a topic of one partition, where all is in order, and what
// is committed there.
func conforming(k *kafkaTest) (renamed, func(*testing.T) []string) {
	topic := k.topic + "_in_order"
	k.create(topic, 1, nil)
	sink := renamed{k.sink(func(s *SinkSettings) { s.Topic = topic }), k.name}
	return sink, func(*testing.T) []string {
		k.marked()
		var values []string
		for _, r := range k.committed(topic) {
			values = append(values, string(r.Value))
		}
		return values
	}
}

// reopen makes the sink once more, as another process would.
func reopen(t *testing.T, sink pipeline.Sink) pipeline.Sink {
	t.Helper()
	old := sink.(renamed)
	again, err := NewSink(old.settings, old.delivery, old.deadLetters, old.log)
	must(t, err)
	return renamed{again, old.name}
}

// marked waits until every transaction of the test that was ended has its markers: Kafka
// answers the end of one before, and readers see it after. One that is open stays so.
func (k *kafkaTest) marked() {
	k.Helper()
	pipelinetest.Eventually(k, 10*time.Second, "the transactions that have ended have their markers", func() bool {
		ending, err := k.admin.ListTransactions(k.Context(), nil, []string{"PrepareCommit", "PrepareAbort"})
		must(k, err)
		for id := range ending {
			if strings.HasPrefix(id, "penstock."+k.name) {
				return false
			}
		}
		return true
	})
}
