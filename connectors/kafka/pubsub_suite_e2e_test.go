//go:build e2e && unix

package kafka

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// pubSub gives a Publisher and a Subscriber on the shared Kafka, with a key that
// is the same for all messages.
func pubSub(t *testing.T, change ...func(*SubscriberConfig)) (message.Publisher, message.Subscriber) {
	t.Helper()
	connection := Connection{Brokers: []string{pipelinetest.SharedKafka(t).Addr()}}
	pub, err := NewPublisher(PublisherConfig{Connection: connection, Key: func(_ string, m *message.Message) (string, error) {
		return m.Metadata.Get("partition_key"), nil
	}})
	must(t, err)
	config := SubscriberConfig{Connection: connection, CreateTopic: &CreateTopic{Partitions: 8, Replicas: 1},
		NackResendSleep: 5 * time.Millisecond} // the suite says Nack 300 times, one after the other
	for _, f := range change {
		f(&config)
	}
	sub, err := NewSubscriber(config)
	must(t, err)
	t.Cleanup(func() { // the suite leaves some open
		must(t, pub.Close())
		must(t, sub.Close())
	})
	return pub, sub
}

func inGroup(t *testing.T, group string) (message.Publisher, message.Subscriber) {
	return pubSub(t, func(c *SubscriberConfig) { c.ConsumerGroup = group })
}

// Watermill's universal suite in full, in a consumer group: one message of a
// partition at a time, in order.
func TestUniversalGroup(t *testing.T) {
	tests.TestPubSub(t,
		tests.Features{ConsumerGroups: true, GuaranteedOrder: true, Persistent: true},
		func(t *testing.T) (message.Publisher, message.Subscriber) { return inGroup(t, "universal") },
		inGroup)
}

// The same with many messages under way: the first delivery is in order, but the
// suite's order is for one message at a time.
func TestUniversalInFlight(t *testing.T) {
	group := func(t *testing.T, group string) (message.Publisher, message.Subscriber) {
		return pubSub(t, func(c *SubscriberConfig) { c.ConsumerGroup, c.InFlight = group, 100 })
	}
	tests.TestPubSub(t,
		tests.Features{ConsumerGroups: true, Persistent: true},
		func(t *testing.T) (message.Publisher, message.Subscriber) { return group(t, "universal_in_flight") },
		group)
}

// The same without a group: every subscription reads everything.
func TestUniversalNoGroup(t *testing.T) {
	tests.TestPubSub(t,
		tests.Features{GuaranteedOrder: true, Persistent: true, NewSubscriberReceivesOldMessages: true},
		func(t *testing.T) (message.Publisher, message.Subscriber) { return pubSub(t) },
		nil)
}
