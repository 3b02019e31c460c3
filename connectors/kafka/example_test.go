package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/connectors/kafka"
	"github.com/penstock-io/penstock/pipeline"
)

// embedded starts a Kafka in this process, for the examples.
func embedded() (connection kafka.Connection, end func()) {
	cluster := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "carts", "refused"))
	return kafka.Connection{Brokers: cluster.ListenAddrs()}, cluster.Close
}

func ExampleNewPublisher() {
	connection, end := embedded()
	defer end()
	publisher, err := kafka.NewPublisher(kafka.PublisherConfig{
		Connection: connection,
		Key:        func(_ string, m *message.Message) (string, error) { return m.Metadata.Get("user"), nil },
	})
	if err != nil {
		log.Print(err)
		return
	}
	bought := message.NewMessage("0193c1e8", []byte(`{"item":"shoes"}`))
	bought.Metadata.Set("user", "u1")
	err = publisher.Publish("carts", bought) // returns when all replicas in sync have it
	fmt.Println(err, publisher.Close())
	// Output: <nil> <nil>
}

func ExampleNewSubscriber() {
	connection, end := embedded()
	defer end()
	publisher, err := kafka.NewPublisher(kafka.PublisherConfig{Connection: connection})
	if err != nil {
		log.Print(err)
		return
	}
	err = publisher.Publish("carts", message.NewMessage("1", []byte("shoes")), message.NewMessage("2", []byte("socks")))
	if err != nil {
		log.Print(err)
		return
	}
	subscriber, err := kafka.NewSubscriber(kafka.SubscriberConfig{Connection: connection, ConsumerGroup: "warehouse"})
	if err != nil {
		log.Print(err)
		return
	}
	messages, err := subscriber.Subscribe(context.Background(), "carts")
	if err != nil {
		log.Print(err)
		return
	}
	for range 2 {
		m := <-messages
		origin, _ := kafka.OriginOf(m.Context())
		fmt.Println(m.UUID, string(m.Payload), "at", origin.Offset)
		m.Ack() // the next one comes, and the offset is committed
	}
	fmt.Println(subscriber.Close(), publisher.Close())
	// Output:
	// 1 shoes at 0
	// 2 socks at 1
	// <nil> <nil>
}

// A lane takes batches, and commits them with the positions they were read up to.
func ExampleNewSink() {
	connection, end := embedded()
	defer end()
	sink, err := kafka.NewSink(kafka.SinkSettings{Connection: connection, Topic: "carts", Compression: "snappy", Transaction: 15 * time.Second},
		pipeline.ExactlyOnce, kafka.DeadLetters{}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, me := context.Background(), pipeline.LaneID{Pipeline: "shop", Lanes: 1, Instance: "one"}
	lane, _, err := sink.Open(ctx, me)
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &pipeline.Batch{Shard: "user_behavior"}
	b.Add().Value = pipeline.RawValue([]byte("shoes"))
	read := pipeline.Position{Incarnation: "first", Offset: pipeline.Offset{Minor: 1}}
	fmt.Println(lane.Write(ctx, b), lane.Commit(ctx, map[string]pipeline.Position{b.Shard: read}), lane.Close(ctx))

	positions, _, err := sink.Committed(ctx, "shop") // as anybody may ask
	fmt.Println(positions[b.Shard].Offset, err, sink.Close())
	// Output:
	// <nil> <nil> <nil>
	// 0-1 <nil> <nil>
}

// Each partition is a shard.
func ExampleNewSource() {
	connection, end := embedded()
	defer end()
	client, err := kgo.NewClient(kgo.SeedBrokers(connection.Brokers...))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx := context.Background()
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "carts", Value: []byte("shoes")}).FirstErr(); err != nil {
		fmt.Println(err)
		return
	}
	source, err := kafka.NewSource(kafka.SourceSettings{Connection: connection, Topics: []string{"carts"}, Start: "oldest", OnGap: "halt"}, "shop", slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	shards, err := source.Shards(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	reader, err := source.Open(ctx, pipeline.OpenRequest{Shard: shards[0], First: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	var b pipeline.Batch
	fmt.Println(reader.Wait(ctx), reader.Read(ctx, &b, pipeline.Limit{Records: 10, Bytes: 1 << 20}))
	fmt.Println(shards[0], string(b.Records[0].Value.Raw()), reader.Close(), source.Close())
	// Output:
	// <nil> <nil>
	// carts/0 shoes <nil> <nil>
}

// A sink writes what was refused to a topic, in the transaction of the rest; people see
// there why.
func ExampleNewLetters() {
	connection, end := embedded()
	defer end()
	sink, err := kafka.NewSink(kafka.SinkSettings{Connection: connection, Topic: "carts", Compression: "snappy", Transaction: 15 * time.Second},
		pipeline.ExactlyOnce, kafka.DeadLetters{Topic: "refused"}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sink.Close()
	ctx := context.Background()
	lane, _, err := sink.Open(ctx, pipeline.LaneID{Pipeline: "shop", Lanes: 1, Instance: "one"})
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &pipeline.Batch{Shard: "user_behavior"}
	r := b.Add()
	r.Original, r.Fate = []byte(`{"item":"shoes"}`), pipeline.DeadLettered
	r.Failure = &pipeline.Failure{Stage: "transforms[0].filter", Err: errors.New("there is no field user")}
	read := pipeline.Position{Incarnation: "first", Offset: pipeline.Offset{Minor: 1}}
	fmt.Println(lane.Write(ctx, b), lane.Commit(ctx, map[string]pipeline.Position{b.Shard: read}), lane.Close(ctx))

	letters, err := kafka.NewLetters(connection, "refused", "shop")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer letters.Close()
	err = letters.Each(ctx, func(l pipeline.DeadLetter) bool {
		fmt.Printf("%s %s: %s\n", l.ID, l.Value, l.Error)
		return true
	})
	fmt.Println(err)
	// Output:
	// <nil> <nil> <nil>
	// 0-0 {"item":"shoes"}: there is no field user
	// <nil>
}

// A message of a Subscriber knows where in Kafka it came from.
func ExampleOriginOf() {
	connection, end := embedded()
	defer end()
	client, err := kgo.NewClient(kgo.SeedBrokers(connection.Brokers...))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx := context.Background()
	if err := client.ProduceSync(ctx, &kgo.Record{Topic: "carts", Key: []byte("u1"), Value: []byte("shoes")}).FirstErr(); err != nil {
		fmt.Println(err)
		return
	}
	subscriber, err := kafka.NewSubscriber(kafka.SubscriberConfig{Connection: connection, ConsumerGroup: "warehouse"})
	if err != nil {
		fmt.Println(err)
		return
	}
	messages, err := subscriber.Subscribe(ctx, "carts")
	if err != nil {
		fmt.Println(err)
		return
	}
	m := <-messages
	origin, ok := kafka.OriginOf(m.Context())
	fmt.Println(origin.Topic, origin.Partition, origin.Offset, string(origin.Key), ok)
	m.Ack()
	_, ok = kafka.OriginOf(ctx)
	fmt.Println(ok, subscriber.Close())
	// Output:
	// carts 0 0 u1 true
	// false <nil>
}

// A name is looked at before anything is sent.
func ExampleTopicFault() {
	what, do := kafka.TopicFault("orders of today")
	fmt.Printf("%s; %s\n", what, do)
	what, do = kafka.TopicFault("orders")
	fmt.Printf("%q %q\n", what, do)
	// Output:
	// not a name of a Kafka topic; write up to 249 of a-z, A-Z, 0-9, . _ and -
	// "" ""
}
