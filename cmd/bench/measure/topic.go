package measure

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// createLimit is how long a new topic may take to have leaders.
const createLimit = 30 * time.Second

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

// CreateTopic makes a topic with a replica of each partition, and returns when
// all of them answer.
func (k *Kafka) CreateTopic(ctx context.Context, topic string, partitions int32) error {
	if _, err := k.admin.CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	ctx, cancel := context.WithTimeout(ctx, createLimit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		_, err := k.offsets(ctx, topic, partitions)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// DeleteTopic removes a topic and what it holds.
func (k *Kafka) DeleteTopic(ctx context.Context, topic string) error {
	if _, err := k.admin.DeleteTopic(ctx, topic); err != nil {
		return fmt.Errorf("delete topic %s: %w", topic, err)
	}
	return nil
}

// Version is that of the brokers, as far as their requests tell: "4.1".
func (k *Kafka) Version(ctx context.Context) (string, error) {
	versions, err := k.admin.ApiVersions(ctx)
	if err != nil {
		return "", fmt.Errorf("ask Kafka for its version: %w", err)
	}
	for _, broker := range versions.Sorted() {
		return strings.TrimPrefix(broker.VersionGuess(), "v"), broker.Err
	}
	return "", errors.New("Kafka has no broker")
}

// Close closes the connections.
func (k *Kafka) Close() { k.client.Close() }
