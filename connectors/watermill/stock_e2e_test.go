//go:build e2e && unix

package watermill

import (
	"log/slog"
	"testing"

	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

// TestStockKafkaSourceConforms on a real Kafka only: sarama's consumer group does not
// get along with kfake.
func TestStockKafkaSourceConforms(t *testing.T) {
	values, addr := numbers(12), pipelinetest.SharedKafka(t).Addr()
	place{kafka: addr}.startMeters(t)
	conform.Source(t, conform.SourceCase{Values: values, Shared: true, OneByOne: true, Fresh: func(t *testing.T) pipeline.Source {
		topic := pipelinetest.Name(t)
		publisher, err := kafka.NewPublisher(kafka.PublisherConfig{Brokers: []string{addr}, Marshaler: kafka.DefaultMarshaler{}}, nil)
		publish(t, publisher, err, topic, values...)
		s, err := NewKafkaSource(KafkaSourceSettings{KafkaConnection: KafkaConnection{Brokers: []string{addr}}, Topics: []string{topic}, Group: topic, Start: "oldest"}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}})
}
