//go:build unix

package kafka

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

func TestSinkConforms(t *testing.T) {
	conform.Sink(t, conform.SinkCase{Positions: true, Fresh: func(t *testing.T) (pipeline.Sink, func(*testing.T) []string) {
		k := on(t, pipelinetest.Embedded(t).KafkaAddr) // of its own: the suite chooses the pipelines' names
		topic := k.topic + "_in_order"
		k.create(topic, 1, nil)
		return k.sink(func(s *SinkSettings) { s.Topic = topic }), func(*testing.T) []string {
			var values []string
			for _, r := range k.committed(topic) {
				values = append(values, string(r.Value))
			}
			return values
		}
	}})
}

func TestPlainSinkConforms(t *testing.T) {
	conform.Sink(t, conform.SinkCase{Early: true, Fresh: func(t *testing.T) (pipeline.Sink, func(*testing.T) []string) {
		k := on(t, pipelinetest.Embedded(t).KafkaAddr)
		topic := k.topic + "_in_order"
		k.create(topic, 1, nil)
		s := k.sink(func(s *SinkSettings) { s.Topic = topic })
		s.delivery = pipeline.AtLeastOnce
		return s, func(*testing.T) []string {
			var values []string
			for _, r := range k.committed(topic) {
				values = append(values, string(r.Value))
			}
			return values
		}
	}})
}
