package measure

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Kafka is the view of the brokers that the measurements need.
type Kafka struct {
	client *kgo.Client
	admin  *kadm.Client
}

// NewKafka makes a client of the brokers. It connects when first used.
func NewKafka(brokers []string) (*Kafka, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	if err != nil {
		return nil, fmt.Errorf("Kafka client: %w", err)
	}
	return &Kafka{client: client, admin: kadm.NewClient(client)}, nil
}

// CreateTopic makes a topic with a replica of each partition.
func (k *Kafka) CreateTopic(ctx context.Context, topic string, partitions int32) error {
	if _, err := k.admin.CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	return nil
}

// DeleteTopic removes a topic and what it holds.
func (k *Kafka) DeleteTopic(ctx context.Context, topic string) error {
	if _, err := k.admin.DeleteTopic(ctx, topic); err != nil {
		return fmt.Errorf("delete topic %s: %w", topic, err)
	}
	return nil
}

// Close closes the connections.
func (k *Kafka) Close() { k.client.Close() }
