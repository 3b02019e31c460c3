//go:build unix

package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline"
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

// readAll reads what there is as an engine does, and settles it.
func readAll(source pipeline.Source) {
	ctx := context.Background()
	shards, err := source.Shards(ctx)
	check(err)
	reader, err := source.Open(ctx, pipeline.OpenRequest{Shard: shards[0], First: true})
	check(err)
	check(reader.Wait(ctx))
	var batch pipeline.Batch
	check(reader.Read(ctx, &batch, pipeline.Limit{Records: 10, Bytes: 1 << 20}))
	for _, r := range batch.Records {
		fmt.Println(shards[0], string(r.Value.Raw()))
	}
	check(reader.Settle(ctx, batch.After))
	check(reader.Close())
	check(source.Close())
}

// What is settled is removed from the list.
func ExampleNewListSource() {
	server := miniredis.NewMiniRedis() // instead of a Redis
	check(server.Start())
	defer server.Close()
	_, err := server.Push("user_behavior", "cart", "buy")
	check(err)

	settings := redis.ListSettings{Keys: []string{"user_behavior"}, PushedBy: "rpush", OnGap: "halt", Trigger: redis.Trigger{Mode: "continuous"}}
	settings.URL = pipeline.Secret("redis://" + server.Addr())
	source, err := redis.NewListSource(settings, slog.New(slog.DiscardHandler))
	check(err)
	readAll(source)
	fmt.Println(server.Exists("user_behavior"))
	// Output:
	// user_behavior cart
	// user_behavior buy
	// false
}

func ExampleNewStreamSource() {
	server := miniredis.NewMiniRedis() // instead of a Redis
	check(server.Start())
	defer server.Close()
	_, err := server.XAdd("user_behavior", "1-1", []string{"payload", "cart", "user", "u1"})
	check(err)

	settings := redis.StreamSettings{Keys: []string{"user_behavior"}, Start: "oldest", Trim: "none", ValueField: "payload", OnGap: "halt",
		Trigger: redis.Trigger{Mode: "continuous"}}
	settings.URL = pipeline.Secret("redis://" + server.Addr())
	source, err := redis.NewStreamSource(settings, slog.New(slog.DiscardHandler))
	check(err)
	readAll(source)
	// Output: user_behavior cart
}

// What is settled is acknowledged.
func ExampleNewGroupSource() {
	server := miniredis.NewMiniRedis() // instead of a Redis
	check(server.Start())
	defer server.Close()
	_, err := server.XAdd("user_behavior", "1-1", []string{"payload", "cart"})
	check(err)

	settings := redis.StreamSettings{Keys: []string{"user_behavior"}, Start: "oldest", Trim: "none", ValueField: "payload", OnGap: "halt",
		Trigger: redis.Trigger{Mode: "continuous"}, Group: &redis.Group{Name: "kafka", Consumers: 1, ClaimIdle: time.Minute}}
	settings.URL = pipeline.Secret("redis://" + server.Addr())
	source, err := redis.NewGroupSource(settings, "me", slog.New(slog.DiscardHandler))
	check(err)
	readAll(source)
	client := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	defer client.Close()
	fmt.Println(client.XPending(context.Background(), "user_behavior", "kafka").Val().Count, "pending")
	// Output:
	// user_behavior cart
	// 0 pending
}

// Of two instances one has the lease; the other is told who.
func ExampleNewLease() {
	server := miniredis.NewMiniRedis() // instead of a Redis
	check(server.Start())
	defer server.Close()
	at := redis.Connection{URL: pipeline.Secret("redis://" + server.Addr())}
	log := slog.New(slog.DiscardHandler)
	one, err := redis.NewLease(at, "shop", "one", 10*time.Second, log)
	check(err)
	defer one.Close()
	two, err := redis.NewLease(at, "shop", "two", 10*time.Second, log)
	check(err)
	defer two.Close()

	ctx := context.Background()
	fmt.Println(one.Take(ctx))
	_, err = two.Take(ctx)
	taken, _ := errors.AsType[*pipeline.Taken](err)
	fmt.Println(taken.Instance, "has it")
	check(one.Release(ctx))
	fmt.Println(two.Take(ctx))
	// Output:
	// true <nil>
	// one has it
	// true <nil>
}

// at starts a Redis of these examples, and says how it is reached.
func at() (*miniredis.Miniredis, redis.Connection) {
	server := miniredis.NewMiniRedis() // instead of a Redis
	check(server.Start())
	return server, redis.Connection{URL: pipeline.Secret("redis://" + server.Addr())}
}

// Who is first with a key has it; the place that has it may come again.
func ExampleNewClaims() {
	server, connection := at()
	defer server.Close()
	claims, err := redis.NewClaims(connection, "orders", time.Hour, slog.New(slog.DiscardHandler))
	check(err)
	defer claims.Close()

	ctx, now := context.Background(), []int64{time.Now().UnixMilli()}
	fmt.Println(claims.Claim(ctx, []string{"e1"}, []string{"one"}, now))
	fmt.Println(claims.Claim(ctx, []string{"e1"}, []string{"two"}, now))
	fmt.Println(claims.Claim(ctx, []string{"e1"}, []string{"one"}, now))
	check(claims.Release(ctx, []string{"e1"}, []string{"one"}))
	fmt.Println(claims.Claim(ctx, []string{"e1"}, []string{"two"}, now))
	// Output:
	// [false] <nil>
	// [true] <nil>
	// [false] <nil>
	// [false] <nil>
}

// What was refused is an entry of a stream until it is given back.
func ExampleNewDeadLetters() {
	server, connection := at()
	defer server.Close()
	letters, err := redis.NewDeadLetters(connection, "refused", "shop", slog.New(slog.DiscardHandler))
	check(err)
	defer letters.Close()

	b := &pipeline.Batch{Shard: "user_behavior"}
	r := b.Add()
	r.Original = []byte(`{"action":"buy"}`)
	r.Failure = &pipeline.Failure{Stage: "transforms[0].filter", Err: errors.New("there is no field user")}
	ctx := context.Background()
	check(letters.Keep(ctx, []pipeline.DeadLetter{pipeline.NewDeadLetter("shop", b, r, time.Now())}))

	var ids []string
	check(letters.Each(ctx, func(l pipeline.DeadLetter) bool {
		fmt.Printf("%s: %s\n", l.Value, l.Error)
		ids = append(ids, l.ID)
		return true
	}))
	check(letters.GivenBack(ctx, ids))
	entries, err := server.Stream("refused")
	fmt.Println(len(entries), err)
	// Output:
	// {"action":"buy"}: there is no field user
	// 0 <nil>
}

// All fields of a batch are asked for at once.
func ExampleNewHash() {
	server, connection := at()
	defer server.Close()
	server.HSet("products", "s1", "shoes")
	hash, err := redis.NewHash(connection, "products", slog.New(slog.DiscardHandler))
	check(err)
	defer hash.Close()

	names, err := hash.Get(context.Background(), [][]byte{[]byte("s1"), []byte("s2")})
	fmt.Printf("%q %v %v\n", names[0], names[1] == nil, err)
	// Output: "shoes" true <nil>
}

// Who looks for the instance that runs a pipeline reads this key.
func ExampleLeaseKey() {
	fmt.Println(redis.LeaseKey("shop"))
	// Output: penstock:lease:{shop}
}
