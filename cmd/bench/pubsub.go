package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"
	stockkafka "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"
	goredis "github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/cmd/bench/measure"
	"github.com/penstock-io/penstock/cmd/bench/report"
	"github.com/penstock-io/penstock/connectors/kafka"
	"github.com/penstock-io/penstock/connectors/redis"
)

const (
	// manyCallers publish at once, and manyInFlight are handed out at once, where
	// the Pub/Sub can: the stock subscribers know one only.
	manyCallers, manyInFlight = 64, 1000
	// receiveLimit is how long receiving may take.
	receiveLimit = time.Minute
)

// pubSub is one Watermill Pub/Sub of two.
type pubSub struct {
	// fill makes what publishes what is to be received, where publisher would take long.
	fill       func(*bench) (message.Publisher, error)
	publisher  func(*bench) (message.Publisher, error)
	subscriber func(b *bench, group string, inFlight int) (message.Subscriber, error)
}

// pubSubs are Penstock's and the stock ones, by system, and how many messages they
// receive in a run.
var pubSubs = map[string]struct {
	received        int
	penstock, stock pubSub
}{
	"Redis": {
		10_000,
		pubSub{publisher: func(b *bench) (message.Publisher, error) {
			client := b.ownClient()
			publisher, err := redis.NewPublisher(redis.PublisherConfig{Client: client})
			return closesBoth{publisher, client}, err
		}, subscriber: func(b *bench, group string, inFlight int) (message.Subscriber, error) {
			return redis.NewSubscriber(redis.SubscriberConfig{Client: b.client, Group: group, MaxInFlight: inFlight})
		}},
		pubSub{publisher: func(b *bench) (message.Publisher, error) {
			return redisstream.NewPublisher(redisstream.PublisherConfig{Client: b.ownClient()}, nil)
		}, subscriber: func(b *bench, group string, _ int) (message.Subscriber, error) {
			return redisstream.NewSubscriber(redisstream.SubscriberConfig{Client: b.ownClient(), ConsumerGroup: group, DisableIndefiniteInitialBlock: true}, nil)
		}},
	},
	"Kafka": {
		200_000,
		pubSub{publisher: func(b *bench) (message.Publisher, error) {
			return kafka.NewPublisher(kafka.PublisherConfig{Connection: kafka.Connection{Brokers: []string{b.kafka.Addr()}}})
		}, subscriber: func(b *bench, group string, inFlight int) (message.Subscriber, error) {
			return kafka.NewSubscriber(kafka.SubscriberConfig{Connection: kafka.Connection{Brokers: []string{b.kafka.Addr()}},
				ConsumerGroup: group, InFlight: inFlight})
		}},
		pubSub{publisher: func(b *bench) (message.Publisher, error) {
			return stockkafka.NewPublisher(stockkafka.PublisherConfig{Brokers: []string{b.kafka.Addr()}, Marshaler: stockkafka.DefaultMarshaler{}}, nil)
		}, subscriber: func(b *bench, group string, _ int) (message.Subscriber, error) {
			config := stockkafka.DefaultSaramaSubscriberConfig()
			config.Consumer.Offsets.Initial = sarama.OffsetOldest
			return stockkafka.NewSubscriber(stockkafka.SubscriberConfig{Brokers: []string{b.kafka.Addr()},
				Unmarshaler: stockkafka.DefaultMarshaler{}, OverwriteSaramaConfig: config, ConsumerGroup: group}, nil)
		}},
	},
}

// closesBoth is a Publisher that closes its client too, as the stock ones do.
type closesBoth struct {
	message.Publisher
	client *goredis.Client
}

func (c closesBoth) Close() error { return errors.Join(c.Publisher.Close(), c.client.Close()) }

// ownClient makes a client for one Publisher or Subscriber: both sides begin with new
// connections.
func (b *bench) ownClient() *goredis.Client {
	return goredis.NewClient(&goredis.Options{Addr: b.redis.Addr()})
}

// pubSubWays are what is compared, and how many messages each publishes; 0: it receives.
var pubSubWays = []struct {
	what     string
	messages int
	// rate measures one of the two; nil: both publish in turns, a message at a time, since
	// they differ by less than the machine does from second to second.
	rate func(b *bench, ctx context.Context, p pubSub, topic string, n int) (float64, error)
}{
	{"publish, a message at a time", 20_000, nil},
	{"publish, 64 at once", 100_000, publishBy(manyCallers)},
	{"receive, a message at a time", 0, receiveWith(1)},
	{"receive, many in flight", 0, receiveWith(manyInFlight)},
}

// comparePubSubs measures Penstock's Pub/Sub of a system beside the stock one, in turns.
func comparePubSubs(system string) func(*bench, context.Context, *report.Report) error {
	return func(b *bench, ctx context.Context, found *report.Report) error {
		sides := pubSubs[system]
		for _, way := range pubSubWays {
			rates := report.PubSub{System: system, What: way.what}
			n := max(cmp.Or(way.messages, sides.received)/b.sizes.fewer, manyCallers)
			for run := range b.options.runs {
				if way.rate == nil {
					both, err := b.publishInTurns(ctx, sides.penstock, sides.stock, n)
					if err != nil {
						return fmt.Errorf("%s: %w", way.what, err)
					}
					rates.Penstock, rates.Stock = append(rates.Penstock, both[0]), append(rates.Stock, both[1])
					continue
				}
				order := []struct {
					pubSub
					rates *[]float64
				}{{sides.penstock, &rates.Penstock}, {sides.stock, &rates.Stock}}
				if run%2 == 1 { // a server that has just started is slow to the first
					slices.Reverse(order)
				}
				for _, side := range order {
					side.fill = sides.penstock.publisher // the wire is the same
					rate, err := b.pubSubRate(ctx, side.pubSub, n, way.rate)
					if err != nil {
						return fmt.Errorf("%s: %w", way.what, err)
					}
					*side.rates = append(*side.rates, rate)
				}
			}
			found.PubSubs = append(found.PubSubs, rates)
		}
		return nil
	}
}

// pubSubRate measures on a topic of its own.
func (b *bench) pubSubRate(ctx context.Context, p pubSub, n int, of func(*bench, context.Context, pubSub, string, int) (float64, error)) (rate float64, err error) {
	w, err := b.newWork(ctx, "pubsub", measure.Stream, n)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, b.discard(ctx, w)) }()
	return of(b, ctx, p, w.topic, n)
}

// publishInTurns measures both on topics of their own.
func (b *bench) publishInTurns(ctx context.Context, one, other pubSub, n int) (rates [2]float64, err error) {
	var to [2]message.Publisher
	var topics [2]string
	for i, side := range []pubSub{one, other} {
		w, err := b.newWork(ctx, "pubsub", measure.Stream, n)
		if err != nil {
			return rates, err
		}
		defer func() { err = errors.Join(err, b.discard(ctx, w)) }()
		if to[i], err = side.publisher(b); err != nil {
			return rates, err
		}
		defer func() { err = errors.Join(err, to[i].Close()) }()
		topics[i] = w.topic
	}
	return measure.PublishInTurns(to, topics, n)
}

func publishBy(callers int) func(*bench, context.Context, pubSub, string, int) (float64, error) {
	return func(b *bench, _ context.Context, p pubSub, topic string, n int) (rate float64, err error) {
		publisher, err := p.publisher(b)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, publisher.Close()) }()
		return measure.PublishRate(publisher, topic, n, callers)
	}
}

func receiveWith(inFlight int) func(*bench, context.Context, pubSub, string, int) (float64, error) {
	return func(b *bench, ctx context.Context, p pubSub, topic string, n int) (rate float64, err error) {
		publisher, err := p.fill(b)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, publisher.Close()) }()
		if err := measure.PublishAll(publisher, topic, n); err != nil {
			return 0, err
		}
		subscriber, err := p.subscriber(b, topic, inFlight)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, subscriber.Close()) }()
		ctx, cancel := context.WithTimeout(ctx, receiveLimit)
		defer cancel()
		return measure.ReceiveRate(ctx, subscriber, topic, n)
	}
}
