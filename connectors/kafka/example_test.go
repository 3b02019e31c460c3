package kafka_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/penstock-io/penstock/connectors/kafka"
)

// embedded starts a Kafka in this process, for the examples.
func embedded() (connection kafka.Connection, end func()) {
	cluster := kfake.MustCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "carts"))
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
