package watermill_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/penstock-io/penstock/connectors/watermill"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// A pipeline between two Pub/Subs of Watermill: here gochannel, in this process. Any
// Subscriber and any Publisher will do.
func ExampleNewSource() {
	config := gochannel.Config{BlockPublishUntilSubscriberAck: true}
	in, out := gochannel.NewGoChannel(config, nil), gochannel.NewGoChannel(config, nil)
	ready := make(chan struct{})
	source := watermill.NewSource(subscribed{in, func() { close(ready) }}, watermill.SourceConfig{Topics: []string{"orders"}})
	sink := watermill.NewSink(out, watermill.SinkConfig{Topic: "shipped"})

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	shipped, err := out.Subscribe(ctx, "shipped")
	if err != nil {
		fmt.Println(err)
		return
	}
	e := engine.New(engine.Config{
		Name: "shipping", Instance: "one", Source: source, Sink: sink, SourceKeepsPosition: true,
		Batch: pipeline.Limit{Records: 100, Bytes: 1 << 20}, Window: engine.Window{Batches: 8, Bytes: 8 << 20},
		CommitEvery: 50 * time.Millisecond, CommitRecords: 1000, Shutdown: time.Second, Log: slog.New(slog.DiscardHandler),
	})
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	<-ready
	for _, order := range []string{"tea", "cups"} {
		m := message.NewMessage("", []byte(order))
		m.Metadata.Set("customer", "7")
		go in.Publish("orders", m) //nolint:errcheck // it waits for the acknowledgement
		m = <-shipped
		fmt.Printf("%s, of customer %s\n", m.Payload, m.Metadata.Get("customer"))
		m.Ack()
	}
	cancel()
	fmt.Println(<-ended, source.Close(), sink.Close())
	// Output:
	// tea, of customer 7
	// cups, of customer 7
	// <nil> <nil> <nil>
}

// subscribed is a Subscriber that calls back when it was subscribed to: gochannel throws
// away what is published before.
type subscribed struct {
	message.Subscriber
	then func()
}

// Subscribe subscribes.
func (s subscribed) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	defer s.then()
	return s.Subscriber.Subscribe(ctx, topic)
}

// A sink publishes what a source of Penstock's gives.
func ExampleNewSink() {
	out := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 10}, nil)
	messages, err := out.Subscribe(context.Background(), "events")
	if err != nil {
		fmt.Println(err)
		return
	}
	sink := watermill.NewSink(out, watermill.SinkConfig{Topic: "events", KeyMetadata: "partition_key"})
	lane, _, err := sink.Open(context.Background(), pipeline.LaneID{Pipeline: "shop", Lanes: 1, Instance: "one"})
	if err != nil {
		fmt.Println(err)
		return
	}
	b := &pipeline.Batch{Shard: "user_behavior"}
	r := b.Add()
	r.Key, r.Value = []byte("u1"), pipeline.RawValue([]byte(`{"action":"buy"}`))
	r.Headers = []pipeline.Header{{Key: "_watermill_message_uuid", Value: []byte("0f8fad5b-d9cb-469f-a165-70867728950e")}}
	if err := lane.Write(context.Background(), b); err != nil {
		fmt.Println(err)
	}
	if err := lane.Commit(context.Background(), nil); err != nil {
		fmt.Println(err)
	}
	m := <-messages
	m.Ack()
	fmt.Println(m.UUID, string(m.Payload), m.Metadata.Get("partition_key"))
	fmt.Println(sink.Close())
	// Output:
	// 0f8fad5b-d9cb-469f-a165-70867728950e {"action":"buy"} u1
	// <nil>
}
