package movers

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
)

// moveStreamStock wires the stock Pub/Subs as their documentation shows: a
// consumer group in Redis, a message an event, at least once.
func moveStreamStock(ctx context.Context, job Job) error {
	client := newRedis(job)
	defer client.Close()
	logger := watermill.NopLogger{}
	subscriber, err := redisstream.NewSubscriber(redisstream.SubscriberConfig{
		Client: client, Unmarshaller: payloadField{}, ConsumerGroup: "bench",
	}, logger)
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	publisher, err := kafka.NewPublisher(kafka.PublisherConfig{
		Brokers: job.Brokers, Marshaler: kafka.NewWithPartitioningMarshaler(userKey),
	}, logger)
	if err != nil {
		return errors.Join(fmt.Errorf("publisher: %w", err), subscriber.Close())
	}
	router, err := message.NewRouter(message.RouterConfig{}, logger)
	if err != nil {
		return errors.Join(fmt.Errorf("router: %w", err), subscriber.Close(), publisher.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	counted := &countingPublisher{Publisher: publisher, want: int64(job.Events), done: cancel}
	router.AddHandler("stock", job.Key, subscriber, job.Topic, counted, message.PassthroughHandler)
	if err := router.Run(ctx); err != nil {
		return fmt.Errorf("router: %w", err)
	}
	if missing := counted.missing(); missing > 0 {
		return fmt.Errorf("the router stopped with %d events to go", missing)
	}
	return nil
}

func userKey(_ string, msg *message.Message) (string, error) {
	return string(userOf(msg.Payload)), nil
}

// payloadField reads an entry that has the event in its field payload and
// nothing else.
type payloadField struct{}

func (payloadField) Unmarshal(values map[string]any) (*message.Message, error) {
	payload, ok := values["payload"].(string)
	if !ok {
		return nil, errors.New("an entry has no field payload")
	}
	return message.NewMessage(watermill.NewUUID(), []byte(payload)), nil
}

// countingPublisher calls done when it has published as many as wanted.
type countingPublisher struct {
	message.Publisher
	want      int64
	published atomic.Int64
	done      func()
}

func (p *countingPublisher) Publish(topic string, messages ...*message.Message) error {
	if err := p.Publisher.Publish(topic, messages...); err != nil {
		return err
	}
	if p.published.Add(int64(len(messages))) >= p.want {
		p.done()
	}
	return nil
}

func (p *countingPublisher) missing() int64 { return p.want - p.published.Load() }
