//go:build unix

package kafka

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func (k *kafkaTest) publisher(change ...func(*PublisherConfig)) *Publisher {
	k.Helper()
	config := PublisherConfig{Connection: Connection{Brokers: []string{k.addr}}}
	for _, f := range change {
		f(&config)
	}
	pub, err := NewPublisher(config)
	must(k, err)
	k.Cleanup(func() { must(k, pub.Close()) })
	return pub
}

// subscriber gives one in the group of the test's name.
func (k *kafkaTest) subscriber(change ...func(*SubscriberConfig)) *Subscriber {
	k.Helper()
	config := SubscriberConfig{Connection: Connection{Brokers: []string{k.addr}}, ConsumerGroup: k.name, NackResendSleep: -1}
	for _, f := range change {
		f(&config)
	}
	sub, err := NewSubscriber(config)
	must(k, err)
	k.Cleanup(func() { must(k, sub.Close()) })
	return sub
}

func (k *kafkaTest) subscribe(sub *Subscriber) <-chan *message.Message {
	k.Helper()
	messages, err := sub.Subscribe(k.Context(), k.topic)
	must(k, err)
	return messages
}

// publish publishes messages whose UUIDs and payloads are the texts.
func (k *kafkaTest) publish(pub *Publisher, texts ...string) {
	k.Helper()
	messages := make([]*message.Message, len(texts))
	for i, text := range texts {
		messages[i] = message.NewMessage(text, []byte(text))
	}
	must(k, pub.Publish(k.topic, messages...))
}

// next gives the next message.
func (k *kafkaTest) next(messages <-chan *message.Message) *message.Message {
	k.Helper()
	select {
	case m, open := <-messages:
		if !open {
			k.Fatal("the subscription has ended")
		}
		return m
	case <-time.After(20 * time.Second):
		k.Fatal("no message came")
	}
	return nil
}

// want checks the next messages, and gives them.
func (k *kafkaTest) want(messages <-chan *message.Message, uuids ...string) []*message.Message {
	k.Helper()
	var got []*message.Message
	for _, uuid := range uuids {
		m := k.next(messages)
		if m.UUID != uuid {
			k.Fatalf("message %q came, want %q", m.UUID, uuid)
		}
		got = append(got, m)
	}
	return got
}

// onPartitions gives a pipeline with a topic of so many partitions.
func onPartitions(t *testing.T, n int32) *kafkaTest {
	k := anyKafka(t)
	k.topic = pipelinetest.Name(t)
	k.create(k.topic, n, nil)
	return k
}

func withInFlight(n int) func(*SubscriberConfig) {
	return func(c *SubscriberConfig) { c.InFlight = n }
}

// What is committed is the run of acknowledged messages from the start on: those
// behind a gap come again.
func TestAcksAreCommittedInOrder(t *testing.T) {
	k := onPartitions(t, 1)
	k.publish(k.publisher(), "0", "1", "2", "3", "4")
	for _, step := range []struct {
		come []string
		ack  []int
	}{
		{[]string{"0", "1", "2"}, []int{1, 2}},
		{[]string{"0", "1", "2"}, []int{1, 0}},
		{[]string{"2", "3", "4"}, []int{2}},
		{[]string{"2", "3", "4"}, []int{2, 1, 0}},
	} {
		sub := k.subscriber(withInFlight(3))
		got := k.want(k.subscribe(sub), step.come...)
		for _, i := range step.ack {
			got[i].Ack()
		}
		must(t, sub.Close())
		for i, m := range got {
			if m.Context().Err() == nil {
				t.Errorf("the context of %q lives on after Close (acknowledged: %v)", m.UUID, slices.Contains(step.ack, i))
			}
		}
	}
	offsets, err := k.admin.FetchOffsets(t.Context(), k.name)
	must(t, err)
	if o, ok := offsets.Lookup(k.topic, 0); !ok || o.At != 5 {
		t.Errorf("the committed offset is %+v, want 5", o)
	}
}

// The window is closed while its oldest message is not acknowledged.
func TestInFlightIsBounded(t *testing.T) {
	k := onPartitions(t, 1)
	k.publish(k.publisher(), "0", "1", "2", "3")
	messages := k.subscribe(k.subscriber(withInFlight(2)))
	got := k.want(messages, "0", "1")
	got[1].Ack()
	select {
	case m := <-messages:
		t.Fatalf("message %q came before 0 was acknowledged", m.UUID)
	case <-time.After(50 * time.Millisecond):
	}
	got[0].Ack()
	k.want(messages, "2", "3")
}

// With one message under way, one that is nacked comes again before any other;
// with more, others do not wait for it.
func TestNack(t *testing.T) {
	k := onPartitions(t, 1)
	k.publish(k.publisher(), "0", "1", "2")
	sub := k.subscriber()
	messages := k.subscribe(sub)
	for range 3 {
		first := k.want(messages, "0")[0]
		first.Nack()
		select {
		case <-first.Context().Done():
		case <-time.After(5 * time.Second):
			t.Error("its context lives on after Nack")
		}
	}
	k.want(messages, "0")[0].Ack()
	must(t, sub.Close())

	messages = k.subscribe(k.subscriber(withInFlight(3)))
	for _, m := range k.want(messages, "1", "2") {
		m.Nack()
	}
	again := []string{k.next(messages).UUID, k.next(messages).UUID}
	if slices.Sort(again); !slices.Equal(again, []string{"1", "2"}) {
		t.Errorf("again came %q", again)
	}
}

// A partition that moves takes its messages with it: the context of what is not
// acknowledged ends, and an Ack that comes later counts for nothing.
func TestRebalanceTakesMessagesAway(t *testing.T) {
	k := onPartitions(t, 2)
	pub := k.publisher(func(c *PublisherConfig) {
		c.Key = func(_ string, m *message.Message) (string, error) { return m.UUID[:1], nil }
	})
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} { // both partitions get some
		k.publish(pub, key+"0", key+"1")
	}
	first := k.subscribe(k.subscriber())
	held := []*message.Message{k.next(first), k.next(first)} // the first of each partition
	sub := k.subscriber()
	second := k.subscribe(sub)
	moved := k.next(second)
	i := slices.IndexFunc(held, func(m *message.Message) bool { return m.UUID == moved.UUID })
	if i < 0 {
		t.Fatalf("%q came, which nobody holds", moved.UUID)
	}
	if held[i].Context().Err() == nil || held[1-i].Context().Err() != nil {
		t.Error("of the two messages that were held, not the one that moved has ended")
	}
	held[i].Ack() // too late
	must(t, sub.Close())
	if m := k.next(first); m.UUID != moved.UUID {
		t.Errorf("%q came, want %q again", m.UUID, moved.UUID)
	}
}

// Members come and go: nothing is lost, and what comes twice was not acknowledged.
func TestRebalanceLosesNothing(t *testing.T) {
	k := onPartitions(t, 6)
	pub := k.publisher()
	const total = 3000
	seen := make(chan string, 4*total)
	members := make(chan *Subscriber, 3)
	join := func() {
		sub := k.subscriber(withInFlight(10))
		messages := k.subscribe(sub)
		members <- sub
		go func() {
			for m := range messages {
				seen <- m.UUID
				m.Ack()
			}
		}()
	}
	join()
	times := map[string]int{}
	for i := range 30 {
		texts := make([]string, total/30)
		for j := range texts {
			texts[j] = fmt.Sprintf("%d-%d", i, j)
		}
		k.publish(pub, texts...)
		switch i % 10 {
		case 2, 4:
			join()
		case 6, 8:
			must(t, (<-members).Close())
		}
		for len(times) < (i+1)*total/30 && (i%3 == 0 || i == 29) {
			select {
			case uuid := <-seen:
				times[uuid]++
			case <-time.After(30 * time.Second):
				t.Fatalf("%d of %d messages came", len(times), (i+1)*total/30)
			}
		}
	}
}

// A partition whose message nobody acknowledges does not stop the others, and no
// more is fetched of it than fits.
func TestStuckPartition(t *testing.T) {
	k := onPartitions(t, 2)
	pub := k.publisher(func(c *PublisherConfig) {
		c.Key, c.Compression = func(_ string, m *message.Message) (string, error) { return m.UUID[:1], nil }, "none"
	})
	stuck, live := "", ""
	messages := k.subscribe(k.subscriber())
	for _, key := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		k.publish(pub, key)
		m := k.next(messages)
		m.Ack()
		if origin, _ := OriginOf(m.Context()); origin.Partition == 0 {
			stuck = key
		} else {
			live = key
		}
	}
	big := strings.Repeat("x", 100<<10)
	for i := range 40 {
		for _, key := range []string{stuck, live} {
			must(t, pub.Publish(k.topic, message.NewMessage(fmt.Sprintf("%s%d", key, i), []byte(big))))
		}
	}
	var held *message.Message
	for n := 0; n < 40; {
		m := k.next(messages)
		if m.UUID[:1] == live {
			m.Ack()
			n++
			continue
		}
		if held != nil {
			t.Fatalf("%q came beside %q", m.UUID, held.UUID)
		}
		held = m
	}
	if held == nil {
		held = k.next(messages)
	}
	for i := range 40 {
		if held.UUID != fmt.Sprintf("%s%d", stuck, i) {
			t.Fatalf("%q came as number %d", held.UUID, i)
		}
		held.Ack()
		if i < 39 {
			held = k.next(messages)
		}
	}
}

// Without a group: everything there is from the oldest, or what comes from now on.
func TestNoGroup(t *testing.T) {
	k := onPartitions(t, 1)
	pub := k.publisher()
	k.publish(pub, "0", "1")
	alone := func(c *SubscriberConfig) { c.ConsumerGroup = "" }
	oldest := k.subscriber(alone)
	newest := k.subscribe(k.subscriber(alone, func(c *SubscriberConfig) { c.Start = Newest }))
	k.publish(pub, "2")
	k.want(newest, "2")
	for range 2 {
		messages := k.subscribe(oldest)
		for _, uuid := range []string{"0", "1", "2"} {
			k.want(messages, uuid)[0].Ack()
		}
	}
}

func TestEnds(t *testing.T) {
	k := onPartitions(t, 1)
	pub, sub := k.publisher(), k.subscriber()
	ctx, cancel := context.WithCancel(t.Context())
	first, err := sub.Subscribe(ctx, k.topic)
	must(t, err)
	k.publish(pub, "0")
	held := k.want(first, "0")[0]
	cancel()
	<-held.Context().Done()
	if m, open := <-first; open {
		t.Errorf("message %q came after the subscription ended", m.UUID)
	}
	second := k.subscribe(sub)
	k.want(second, "0")
	must(t, sub.Close())
	if m, open := <-second; open {
		t.Errorf("message %q came after Close", m.UUID)
	}
	if _, err := sub.Subscribe(t.Context(), k.topic); err == nil {
		t.Error("a closed subscriber subscribes")
	}
	must(t, pub.Close())
	if pub.Publish(k.topic, message.NewMessage("1", nil)) == nil {
		t.Error("a closed publisher publishes")
	}
	must(t, pub.Close())
	must(t, sub.Close())
}

func TestPublishRefuses(t *testing.T) {
	k := onPartitions(t, 1)
	pub := k.publisher(func(c *PublisherConfig) {
		c.Key, c.Compression = func(_ string, m *message.Message) (string, error) { return m.UUID, m.Context().Err() }, "none"
	})
	reserved := message.NewMessage("reserved", nil)
	reserved.Metadata.Set(UUIDHeader, "x")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for uuid, m := range map[string]*message.Message{
		"reserved": reserved,
		"large":    message.NewMessage("large", make([]byte, 2<<20)),
		"ended":    message.NewMessageWithContext(ended, "ended", nil),
	} {
		if err := pub.Publish(k.topic, m); err == nil || !strings.Contains(err.Error(), "message "+uuid) {
			t.Errorf("%s: got the error %v", uuid, err)
		}
	}
	large := message.NewMessage("large", make([]byte, 2<<20))
	good := message.NewMessage("good", []byte("good"))
	keyless := k.publisher()
	for uuid, messages := range map[string][]*message.Message{ // the first that was not taken
		"large": {large, message.NewMessageWithContext(ended, "ended", nil)},
		"ended": {good, message.NewMessageWithContext(ended, "ended", nil), large},
	} {
		if err := keyless.Publish(k.topic, messages...); err == nil || !strings.Contains(err.Error(), "message "+uuid) {
			t.Errorf("%s: got the error %v", uuid, err)
		}
	}
	k.publish(pub, "better")
	k.wantCommitted(k.topic, "good", "better")
}

func TestNobodyThere(t *testing.T) {
	nowhere := Connection{Brokers: []string{"127.0.0.1:1"}}
	pub, err := NewPublisher(PublisherConfig{Connection: nowhere, Timeout: 200 * time.Millisecond})
	must(t, err)
	if err := pub.Publish("topic", message.NewMessage("0", nil)); err == nil {
		t.Error("it publishes to nobody")
	}
	must(t, pub.Close())
	for _, brokers := range [][]string{nil, {"nonsense"}} {
		_, err := NewSubscriber(SubscriberConfig{Connection: Connection{Brokers: brokers}})
		wantError(t, err, pipeline.Permanent, "brokers")
	}
}
