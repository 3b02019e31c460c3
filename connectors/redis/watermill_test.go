//go:build unix

package redis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	stock "github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// oddMessages are messages that a wire format may get wrong.
func oddMessages() []*message.Message {
	many := message.Metadata{}
	for i := range 1000 {
		many[fmt.Sprint("key ", i)] = strings.Repeat("x", i)
	}
	few := message.Metadata{}
	for i := range 15 {
		few[fmt.Sprint(i)] = ""
	}
	var out []*message.Message
	for _, m := range []struct {
		payload  string
		metadata message.Metadata
	}{
		{payload: "plain"},
		{payload: ""},
		{payload: "Grüße, 世界 \U0001f30d", metadata: message.Metadata{"Überschrift": "世界", "": "no name", "no value": ""}},
		{payload: "\x00\xff\r\n$-1\r\n", metadata: message.Metadata{"bytes": "\x00\xff\r\n", "metadata": "m", "payload": "p"}},
		{payload: strings.Repeat("large", 200_000), metadata: message.Metadata{strings.Repeat("k", 300): strings.Repeat("v", 70_000)}},
		{payload: "few", metadata: few},
		{payload: "many", metadata: many},
	} {
		msg := message.NewMessage(fmt.Sprintf("uuid %d ü", len(out)), []byte(m.payload))
		maps.Copy(msg.Metadata, m.metadata)
		out = append(out, msg)
	}
	return append(out, message.NewMessage("", []byte("no uuid")))
}

// wantMessages takes messages from a subscription, acks them, and compares.
func wantMessages(t *testing.T, from <-chan *message.Message, want []*message.Message) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-from:
			if !got.Equals(w) {
				t.Errorf("got %q with %d bytes and %d metadata, want %q with %d and %d", got.UUID, len(got.Payload), len(got.Metadata), w.UUID, len(w.Payload), len(w.Metadata))
			}
			got.Ack()
		case <-within(t, 20*time.Second).Done():
			t.Fatalf("message %q does not come", w.UUID)
		}
	}
}

// stockPair gives the stock Pub/Sub, in the group "stock".
func (s *streamTest) stockPair() (*stock.Publisher, *stock.Subscriber) {
	s.t.Helper()
	// Each closes its client.
	pub, err := stock.NewPublisher(stock.PublisherConfig{Client: s.place.newClient()}, nil)
	must(s.t, err)
	s.t.Cleanup(func() { must(s.t, pub.Close()) })
	sub, err := stock.NewSubscriber(stock.SubscriberConfig{
		Client: s.place.newClient(), ConsumerGroup: "stock", DisableIndefiniteInitialBlock: true,
	}, nil)
	must(s.t, err)
	s.t.Cleanup(func() { must(s.t, sub.Close()) })
	return pub, sub
}

// TestStockPublisherToSubscriber and the other way round: the wire format is that of
// watermill-redisstream.
func TestStockPublisherToSubscriber(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _ := s.stockPair()
		_, sub := s.place.pubSub(t, SubscriberConfig{Group: "own"})
		must(t, pub.Publish(s.key, oddMessages()...))
		messages, err := sub.Subscribe(t.Context(), s.key)
		must(t, err)
		wantMessages(t, messages, oddMessages())
	})
}

func TestPublisherToStockSubscriber(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _ := s.place.pubSub(t, SubscriberConfig{})
		_, sub := s.stockPair()
		must(t, pub.Publish(s.key, oddMessages()...))
		messages, err := sub.Subscribe(t.Context(), s.key)
		must(t, err)
		wantMessages(t, messages, oddMessages())
	})
}

// watermillSource gives a source of Watermill messages, of either kind.
func (s *streamTest) watermillSource(group bool) pipeline.Reader {
	is := func(s *StreamSettings) { s.Watermill, s.ValueField = true, "" }
	if group {
		return s.join(s.group("one", is))
	}
	return open(s.t, s.source(is), s.key, nil)
}

// TestStreamOfWatermillMessages: what the stock publisher has written becomes a record of
// which the stock watermill-kafka reads the same message.
func TestStreamOfWatermillMessages(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		pub, _ := s.stockPair()
		must(t, pub.Publish(s.key, oddMessages()...))
		for _, group := range []bool{false, true} {
			b := read(t, s.watermillSource(group), large)
			want := oddMessages()
			if len(b.Records) != len(want) {
				t.Fatalf("got %d records, want %d", len(b.Records), len(want))
			}
			for i, w := range want {
				r := &b.Records[i]
				if r.Fate != pipeline.Deliver || r.Value.Raw() == nil {
					t.Errorf("%s: fate %v, value %q", w.UUID, r.Fate, r.Value.Raw())
				}
				inKafka := &sarama.ConsumerMessage{Value: r.Value.Raw()}
				for _, h := range r.Headers {
					inKafka.Headers = append(inKafka.Headers, &sarama.RecordHeader{Key: []byte(h.Key), Value: h.Value})
				}
				got, err := kafka.DefaultMarshaler{}.Unmarshal(inKafka)
				must(t, err)
				if !got.Equals(w) || len(r.Headers) != 1+len(w.Metadata) {
					t.Errorf("%s: watermill-kafka reads %s with %d bytes and %d metadata, want %d and %d", w.UUID, got.UUID, len(got.Payload), len(got.Metadata), len(w.Payload), len(w.Metadata))
				}
			}
		}
	})
}

func TestStreamOfWhatIsNoWatermillMessage(t *testing.T) {
	eachStream(t, func(t *testing.T, s *streamTest) {
		s.do("XADD", s.key, "1-0", "payload", "p", "metadata", "m")
		s.do("XADD", s.key, "2-0", uuidField, "u", "payload", "p", "metadata", "\x81\xa1k")
		s.do("XADD", s.key, "3-0", uuidField, "u", "payload", "p", "metadata", "\xdf\xff\xff\xff\xff")
		s.do("XADD", s.key, "4-0", uuidField, "u", "payload", "p", "metadata", appendMetadata(nil, message.Metadata{uuidField: "v"}))
		s.do("XADD", s.key, "5-0", uuidField, "u", "metadata", "\xc0", "more", "m")
		b := read(t, s.watermillSource(false), large)
		for i, why := range []error{errNoUUID, errNotMetadata, errNotMetadata, errReserved} {
			r := &b.Records[i]
			if r.Fate != pipeline.Failed {
				t.Errorf("entry %v has fate %v", r.Offset, r.Fate)
				continue
			}
			wantError(t, r.Failure.Err, pipeline.Permanent, r.Offset.String(), why.Error())
			if string(r.Value.Raw()) != "p" || !slices.ContainsFunc(r.Headers, func(h pipeline.Header) bool { return h.Key == metadataField }) {
				t.Errorf("entry %v is not whole, for the dead letter: %q", r.Offset, r.Headers)
			}
		}
		// Without a payload it is empty, as the stock subscriber takes it; what else there
		// is stays.
		if r := &b.Records[4]; r.Fate != pipeline.Deliver || r.Value.Raw() == nil || len(r.Value.Raw()) != 0 || fmt.Sprintf("%s", r.Headers) != "[{"+uuidField+" u} {more m}]" {
			t.Errorf("got %v %q %s", r.Fate, r.Value.Raw(), r.Headers)
		}
	})
}

// TestMetadata takes what the stock marshaller takes, and nothing panics.
func TestMetadata(t *testing.T) {
	for raw, ok := range map[string]bool{
		"": true, "\xc0": true, "\x80": true, "\xde\x00\x00": true, "\xdf\x00\x00\x00\x01\xc0\xc0": true, "\x81\xc4\x01k\xd9\x01v": true, "\x81\xc5\x00\x01k\xda\x00\x01v": true,
		"\x81\xc6\x00\x00\x00\x01k\xdb\x00\x00\x00\x01v trailing": true,
		"\x00": false, "\x81": false, "\x81\xa1": false, "\x81\xa1k": false, "\x81\xa1k\xa5v": false, "\x81\x01\x02": false, "\x91\xa1k": false, "{": false, "\xde\x00": false,
		"\x81\xa1k\xdb\xff\xff\xff\xffv": false,
	} {
		fields := map[string]any{uuidField: "u", metadataField: raw}
		got, err := messageOf(fields)
		want, stockErr := stock.DefaultMarshallerUnmarshaller{}.Unmarshal(fields)
		if (err == nil) != ok || (stockErr == nil) != ok {
			t.Errorf("%q: %v, the stock one says %v", raw, err, stockErr)
			continue
		}
		if ok && !got.Equals(want) {
			t.Errorf("%q: %v, the stock one has %v", raw, got.Metadata, want.Metadata)
		}
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte("\x81\xa1k\xa1v"))
	f.Add([]byte("\xde\x00\x01\xda\x00\x01k\xc0"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := messageOf(map[string]any{uuidField: "u", metadataField: string(raw)})
		if err != nil {
			return
		}
		again, err := messageOf(map[string]any{uuidField: "u", metadataField: string(appendMetadata(nil, m.Metadata))})
		if err != nil || !again.Equals(m) {
			t.Errorf("%v becomes %v: %v", m.Metadata, again, err)
		}
	})
}
