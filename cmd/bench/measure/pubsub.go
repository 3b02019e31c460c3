package measure

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/connectors/local"
)

// publishAtOnce is how many messages a call holds that fills a topic.
const publishAtOnce = 1000

// shopMessages makes n messages of shop events, with one metadata entry.
func shopMessages(n int) []*message.Message {
	shop := local.NewShop(1, 1000)
	all := make([]*message.Message, n)
	for i := range all {
		event, user := shop.Append(nil)
		all[i] = message.NewMessage("0193c1e8-7a3b-7bfa-9d5c-"+strconv.Itoa(100_000_000_000+i), event)
		all[i].Metadata.Set("user", user)
	}
	return all
}

// PublishRate publishes n messages, each by a call of its own, from several
// goroutines at once, and gives messages a second.
func PublishRate(to message.Publisher, topic string, n, callers int) (float64, error) {
	all := shopMessages(n)
	if err := to.Publish(topic, shopMessages(1)...); err != nil { // connections are made
		return 0, fmt.Errorf("publish to %s: %w", topic, err)
	}
	errs := make([]error, callers)
	start := time.Now()
	var calling sync.WaitGroup
	for c := range callers {
		calling.Go(func() {
			for i := c; i < n && errs[c] == nil; i += callers {
				errs[c] = to.Publish(topic, all[i])
			}
		})
	}
	calling.Wait()
	if err := errors.Join(errs...); err != nil {
		return 0, fmt.Errorf("publish to %s: %w", topic, err)
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// turn is how many messages one of two publishers publishes before the other one does:
// what the machine does meanwhile happens to both.
const turn = 200

// PublishInTurns publishes n messages by each of two publishers, a message at a time, in
// turns, and gives messages a second of each.
func PublishInTurns(to [2]message.Publisher, topics [2]string, n int) (rates [2]float64, err error) {
	all := shopMessages(n)
	var took [2]time.Duration
	for i, publisher := range to {
		if err := publisher.Publish(topics[i], shopMessages(1)...); err != nil { // connections are made
			return rates, fmt.Errorf("publish to %s: %w", topics[i], err)
		}
	}
	for from := 0; from < n; from += turn {
		first := from / turn % 2
		for _, i := range []int{first, 1 - first} {
			start := time.Now()
			for _, m := range all[from:min(from+turn, n)] {
				if err := to[i].Publish(topics[i], m); err != nil {
					return rates, fmt.Errorf("publish to %s: %w", topics[i], err)
				}
			}
			took[i] += time.Since(start)
		}
	}
	for i := range rates {
		rates[i] = float64(n) / took[i].Seconds()
	}
	return rates, nil
}

// PublishAll fills a topic with n messages.
func PublishAll(to message.Publisher, topic string, n int) error {
	all := shopMessages(n)
	for i := 0; i < n; i += publishAtOnce {
		if err := to.Publish(topic, all[i:min(i+publishAtOnce, n)]...); err != nil {
			return fmt.Errorf("publish to %s: %w", topic, err)
		}
	}
	return nil
}

// ReceiveRate receives and acknowledges n messages that wait, and gives messages a
// second from the first one on: how long a group takes to meet does not count.
func ReceiveRate(ctx context.Context, from message.Subscriber, topic string, n int) (float64, error) {
	messages, err := from.Subscribe(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("subscribe to %s: %w", topic, err)
	}
	var start time.Time
	for got := range n {
		select {
		case m, open := <-messages:
			if !open {
				return 0, fmt.Errorf("the subscription to %s ended after %d of %d messages", topic, got, n)
			}
			m.Ack()
		case <-ctx.Done():
			return 0, fmt.Errorf("received %d of %d messages of %s: %w", got, n, topic, ctx.Err())
		}
		if got == 0 {
			start = time.Now()
		}
	}
	return float64(n-1) / time.Since(start).Seconds(), nil
}
