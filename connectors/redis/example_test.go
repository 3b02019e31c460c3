//go:build unix

package redis_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/connectors/redis"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A stream is kept at about 10,000 entries.
func ExampleNewPublisher() {
	server := miniredis.NewMiniRedis() // instead of a Redis
	check(server.Start())
	defer server.Close()
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	defer client.Close()

	publisher, err := redis.NewPublisher(redis.PublisherConfig{Client: client, MaxLen: 10_000})
	check(err)
	defer publisher.Close()

	cart, buy := message.NewMessage("1", []byte("cart")), message.NewMessage("2", []byte("buy"))
	check(publisher.Publish("user_behavior", cart, buy)) // one round trip
	fmt.Println(client.XLen(context.Background(), "user_behavior").Val(), "entries")
	// Output: 2 entries
}

// The members of a group share what is published; a message is handed out again until it
// is acked.
func ExampleNewSubscriber() {
	server := miniredis.NewMiniRedis() // instead of a Redis
	check(server.Start())
	defer server.Close()
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	defer client.Close()

	subscriber, err := redis.NewSubscriber(redis.SubscriberConfig{Client: client, Group: "dashboard", MaxInFlight: 1})
	check(err)
	messages, err := subscriber.Subscribe(context.Background(), "user_behavior")
	check(err)
	publisher, err := redis.NewPublisher(redis.PublisherConfig{Client: client})
	check(err)
	for _, action := range []string{"view", "cart", "buy"} {
		check(publisher.Publish("user_behavior", message.NewMessage(action, []byte(action))))
	}

	first := <-messages
	fmt.Println(string(first.Payload), "nacked")
	first.Nack()
	for range 3 {
		m := <-messages
		fmt.Println(string(m.Payload))
		m.Ack()
	}
	check(subscriber.Close()) // acks are in Redis then, and the channel is closed
	pending := client.XPending(context.Background(), "user_behavior", "dashboard").Val()
	fmt.Println(pending.Count, "pending")
	// Output:
	// view nacked
	// view
	// cart
	// buy
	// 0 pending
}
