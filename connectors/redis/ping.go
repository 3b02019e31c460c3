package redis

import (
	"context"
	"fmt"

	"github.com/penstock-io/penstock/pipeline"
)

var (
	_ pipeline.Pinger = (*ListSource)(nil)
	_ pipeline.Pinger = (*StreamSource)(nil)
	_ pipeline.Pinger = (*GroupSource)(nil)
	_ pipeline.Taker  = (*ListSource)(nil)
)

// Ping sees that the server answers.
func (s *ListSource) Ping(ctx context.Context) error { return s.client.ping(ctx) }

// Ping sees that the server answers.
func (s *StreamSource) Ping(ctx context.Context) error { return s.client.ping(ctx) }

// Ping sees that the server answers.
func (s *GroupSource) Ping(ctx context.Context) error { return s.client.ping(ctx) }

func (c *client) ping(ctx context.Context) error {
	return c.classify("connecting", c.UniversalClient.Ping(ctx).Err())
}

// Takes names the lists: what is delivered of them is removed.
func (s *ListSource) Takes() []pipeline.TakenAway {
	var all []pipeline.TakenAway
	for _, key := range s.settings.Keys {
		server := s.client.at.String()
		if s.client.cluster == nil {
			server += fmt.Sprintf("/%d", s.client.at.servers[0].DB)
		}
		all = append(all, pipeline.TakenAway{Server: server, Key: key})
	}
	return all
}
