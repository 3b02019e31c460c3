package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kgo"
)

// UUIDHeader is the header that carries a message's UUID, as stock watermill-kafka
// has it.
const UUIDHeader = "_watermill_message_uuid"

// Key gives the key of a message, which decides on its partition. Messages of one
// key keep their order, until partitions are added to a topic: for up to five minutes
// they go to the old partition or the new one then.
type Key func(topic string, msg *message.Message) (string, error)

// marshal gives the record of a message in the form of stock watermill-kafka's
// DefaultMarshaler: the payload is the value, the UUID and the metadata are headers.
// A nil payload is a null value, which a compacted topic takes for a deletion.
// Without a key function the record has no key.
func marshal(topic string, msg *message.Message, key Key) (*kgo.Record, error) {
	if _, taken := msg.Metadata[UUIDHeader]; taken {
		return nil, fmt.Errorf("the metadata %s is reserved for the message's UUID", UUIDHeader)
	}
	r := &kgo.Record{Topic: topic, Value: msg.Payload, Headers: make([]kgo.RecordHeader, 0, 1+len(msg.Metadata))}
	r.Headers = append(r.Headers, header(UUIDHeader, msg.UUID))
	for name, value := range msg.Metadata {
		r.Headers = append(r.Headers, header(name, value))
	}
	if key != nil {
		k, err := key(topic, msg)
		if err != nil {
			return nil, fmt.Errorf("its key: %w", err)
		}
		r.Key = []byte(k)
	}
	return r, nil
}

// unmarshal gives the message of a record. Of headers with the same name the last
// one counts.
func unmarshal(ctx context.Context, r *kgo.Record) *message.Message {
	msg := message.NewMessageWithContext(context.WithValue(ctx, originKey{}, r), "", r.Value)
	for _, h := range r.Headers {
		if h.Key == UUIDHeader {
			msg.UUID = string(h.Value)
		} else {
			msg.Metadata[h.Key] = string(h.Value)
		}
	}
	return msg
}

// Origin is where in Kafka a message came from.
type Origin struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte // nil: none
	Time      time.Time
}

type originKey struct{}

// OriginOf gives the origin of a message of a Subscriber, by the message's context;
// false where the context is of no such message.
func OriginOf(ctx context.Context) (Origin, bool) {
	r, ok := ctx.Value(originKey{}).(*kgo.Record)
	if !ok {
		return Origin{}, false
	}
	return Origin{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Time: r.Timestamp}, true
}
