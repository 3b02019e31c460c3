package watermill

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/IBM/sarama"
	"github.com/ThreeDotsLabs/watermill-kafka/v3/pkg/kafka"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/penstock-io/penstock/pipeline"
)

// kafkaVersion is the protocol that sarama speaks: brokers of Kafka 4 have forgotten
// the version 1.0 of watermill-kafka's defaults.
var kafkaVersion = sarama.V2_8_0_0

// NewKafkaSource makes a source of the stock subscriber of watermill-kafka. It gives
// one message of each partition at a time. It connects to nobody yet. Errors:
// Permanent, of settings and files.
func NewKafkaSource(s KafkaSourceSettings, log *slog.Logger) (*Source, error) {
	config := kafka.DefaultSaramaSubscriberConfig()
	if err := s.apply(config); err != nil {
		return nil, err
	}
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	if s.Start == "newest" {
		config.Consumer.Offsets.Initial = sarama.OffsetNewest
	}
	subscriber, err := kafka.NewSubscriber(kafka.SubscriberConfig{
		Brokers: s.Brokers, Unmarshaler: kafka.DefaultMarshaler{}, OverwriteSaramaConfig: config, ConsumerGroup: s.Group,
	}, logger(log))
	if err != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "watermill-kafka", Err: err}
	}
	return NewSource(subscriber, SourceConfig{Topics: s.Topics, Fill: keyAndTime}), nil
}

// keyAndTime gives a record what Kafka knows of its message.
func keyAndTime(r *pipeline.Record, m *message.Message) {
	r.Key, _ = kafka.MessageKeyFromCtx(m.Context())
	if t, ok := kafka.MessageTimestampFromCtx(m.Context()); ok && !t.IsZero() {
		r.Time = t
	}
}

// NewKafkaSink makes a sink of the stock publisher of watermill-kafka, whose messages
// all replicas in sync have before a commit returns (the stock default is one). It
// connects when a lane is opened. Errors: Permanent, of settings and files.
func NewKafkaSink(s KafkaSinkSettings, deadLetter string, log *slog.Logger) (*Sink, error) {
	config := kafka.DefaultSaramaSyncPublisherConfig()
	if err := s.apply(config); err != nil {
		return nil, err
	}
	config.Producer.RequiredAcks = sarama.WaitForAll
	connect := func() (message.Publisher, error) {
		return kafka.NewPublisher(kafka.PublisherConfig{Brokers: s.Brokers, Marshaler: newMarshaler(s.KeyMetadata), OverwriteSaramaConfig: config}, logger(log))
	}
	to := s.sink(deadLetter)
	to.Refused = refused
	return newSink(connect, to), nil
}

// marshaler is the stock one: with a partition key for messages that have one. The
// stock one gives the others an empty key, and so one partition.
type marshaler struct {
	key           string // of the metadata
	keyed, simple kafka.Marshaler
}

func newMarshaler(key string) marshaler {
	keyed := kafka.NewWithPartitioningMarshaler(func(_ string, m *message.Message) (string, error) { return m.Metadata.Get(key), nil })
	return marshaler{key: key, keyed: keyed, simple: kafka.DefaultMarshaler{}}
}

func (m marshaler) Marshal(topic string, msg *message.Message) (*sarama.ProducerMessage, error) {
	if _, has := msg.Metadata[m.key]; has {
		return m.keyed.Marshal(topic, msg)
	}
	return m.simple.Marshal(topic, msg)
}

// refused tells whether sarama, or a broker, will never take a message.
func refused(err error) bool {
	_, local := errors.AsType[sarama.ConfigurationError](err)
	return local || errors.Is(err, sarama.ErrMessageSizeTooLarge) || errors.Is(err, sarama.ErrInvalidMessageSize)
}

// apply sets how brokers are reached. Whoever waits tries again by himself, so sarama
// gives up soon.
func (c KafkaConnection) apply(config *sarama.Config) error {
	config.Version, config.ClientID = kafkaVersion, "penstock"
	config.Net.DialTimeout = 5 * time.Second
	config.Metadata.Retry.Max, config.Metadata.Retry.Backoff = 3, 250*time.Millisecond
	if c.TLS != nil {
		conf, err := c.TLS.config()
		if err != nil {
			return err
		}
		config.Net.TLS.Enable, config.Net.TLS.Config = true, conf
	}
	if c.SASL != nil {
		config.Net.SASL.Enable = true
		config.Net.SASL.User, config.Net.SASL.Password = c.SASL.Username, c.SASL.Password.Reveal()
	}
	return nil
}

// validate makes an item of its own of each broker that was written among others,
// between commas.
func (c *KafkaConnection) validate() []pipeline.Problem {
	var found []pipeline.Problem
	var all []string
	for i, item := range c.Brokers {
		for broker := range strings.SplitSeq(item, ",") {
			if broker = strings.TrimSpace(broker); !isAddress(broker) {
				found = append(found, pipeline.Problem{Field: fmt.Sprintf("brokers[%d]", i), What: "not an address", Do: "write host:port, like localhost:9092"})
				break
			}
			all = append(all, broker)
		}
	}
	if len(found) == 0 {
		c.Brokers = all
	}
	return found
}
