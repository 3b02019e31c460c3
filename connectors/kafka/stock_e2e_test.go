//go:build e2e && unix

package kafka

import (
	"bytes"
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	stock "github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// sent is a message with its key.
type sent struct {
	name     string
	uuid     string
	payload  []byte
	metadata message.Metadata
	key      string
}

// oddMessages are an ordinary message and odd ones. Their names are in none of
// what is sent, their order tells.
var oddMessages = []sent{
	{"ordinary", "0193-a", []byte(`{"a":1}`), message.Metadata{"correlation_id": "c1", "type": "cart"}, "user-1"},
	{"nothing", "", nil, nil, ""},
	{"an empty payload", "u2", []byte{}, message.Metadata{}, "k"},
	{"bytes that are no text", "u\xff\x00", []byte{0, 0xff, '\n', 0xc3}, message.Metadata{"bin": "\x00\xff", "": "no name", "\xfe": ""}, "\x00\xffkey"},
	{"languages", "\u00fc-\u4e16", []byte("\u4e16\u754c \U0001f6d2"), message.Metadata{"st\u00e4dte": "\u4eac\u90fd"}, "\u043a\u043b\u044e\u0447"},
	{"large", "u5", bytes.Repeat([]byte("x"), 900_000), message.Metadata{"long": strings.Repeat("y", 50_000)}, strings.Repeat("k", 10_000)},
}

// keyOf finds the key of a message by its place in the list, which the message's
// context holds.
func keyOf(_ string, m *message.Message) (string, error) {
	return m.Context().Value(keyName{}).(sent).key, nil
}

type keyName struct{}

// one topic of one partition, all messages through pub to sub, one after the other.
func passOn(t *testing.T, pub message.Publisher, sub message.Subscriber, topic string, key func(context.Context) ([]byte, bool)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	received, err := sub.Subscribe(ctx, topic)
	must(t, err)
	for _, want := range oddMessages {
		msg := message.NewMessage(want.uuid, want.payload)
		msg.Metadata = maps.Clone(want.metadata)
		msg.SetContext(context.WithValue(t.Context(), keyName{}, want))
		must(t, pub.Publish(topic, msg))
		got, open := <-received
		if !open {
			t.Fatalf("%s: the subscription has ended", want.name)
		}
		if got.UUID != want.uuid || !bytes.Equal(got.Payload, want.payload) || (got.Payload == nil) != (want.payload == nil) {
			t.Errorf("%s: got the UUID %q and %d bytes, want %q and %d", want.name, got.UUID, len(got.Payload), want.uuid, len(want.payload))
		}
		if !maps.Equal(got.Metadata, want.metadata) {
			t.Errorf("%s: got the metadata %q, want %q", want.name, got.Metadata, want.metadata)
		}
		if k, ok := key(got.Context()); !ok || string(k) != want.key {
			t.Errorf("%s: got the key %q, want %q", want.name, k, want.key)
		}
		got.Ack()
	}
	must(t, pub.Close())
	must(t, sub.Close())
	if _, open := <-received; open {
		t.Error("there is one message more, or the channel stays open")
	}
}

func TestStockPublisherToSubscriber(t *testing.T) {
	k := on(t, pipelinetest.SharedKafka(t).Addr())
	pub, err := stock.NewPublisher(stock.PublisherConfig{Brokers: []string{k.addr}, Marshaler: stock.NewWithPartitioningMarshaler(keyOf)}, nil)
	must(t, err)
	sub, err := NewSubscriber(SubscriberConfig{Connection: Connection{Brokers: []string{k.addr}}, ConsumerGroup: k.name})
	must(t, err)
	passOn(t, pub, sub, k.topic, func(ctx context.Context) ([]byte, bool) {
		origin, ok := OriginOf(ctx)
		if origin.Topic != k.topic || origin.Time.IsZero() {
			t.Errorf("the origin is %+v", origin)
		}
		return origin.Key, ok
	})
}

func TestPublisherToStockSubscriber(t *testing.T) {
	k := on(t, pipelinetest.SharedKafka(t).Addr())
	pub, err := NewPublisher(PublisherConfig{Connection: Connection{Brokers: []string{k.addr}}, Key: keyOf})
	must(t, err)
	config := stock.DefaultSaramaSubscriberConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	sub, err := stock.NewSubscriber(stock.SubscriberConfig{
		Brokers: []string{k.addr}, Unmarshaler: stock.DefaultMarshaler{}, OverwriteSaramaConfig: config, ConsumerGroup: k.name,
	}, nil)
	must(t, err)
	passOn(t, pub, sub, k.topic, stock.MessageKeyFromCtx)
}

// Without a key function there is no key, as in the stock one.
func TestNoKey(t *testing.T) {
	k := on(t, pipelinetest.SharedKafka(t).Addr())
	pub, err := NewPublisher(PublisherConfig{Connection: Connection{Brokers: []string{k.addr}}})
	must(t, err)
	must(t, pub.Publish(k.topic, message.NewMessage("u", []byte("one"))))
	must(t, pub.Close())
	if found := k.wantCommitted(k.topic, "one"); found[0].Key != nil {
		t.Errorf("the key is %q", found[0].Key)
	}
}
