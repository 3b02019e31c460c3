package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

var (
	_ pipeline.Pinger = (*Sink)(nil)
	_ pipeline.Pinger = (*Source)(nil)
)

// Ping sees that a broker answers, with connections of its own. It takes no lane.
func (s *Sink) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	client, err := kgo.NewClient(s.opts...)
	if err != nil {
		return &pipeline.Error{Class: pipeline.Permanent, What: "the Kafka client refuses its settings", Err: err}
	}
	defer client.Close()
	if err := client.Ping(ctx); err != nil {
		return s.opening(err)
	}
	return nil
}

// Ping sees that the topics are there.
func (s *Source) Ping(ctx context.Context) error {
	_, err := s.Shards(ctx)
	return err
}
