package cli

import (
	"errors"

	"github.com/penstock-io/penstock/connectors/watermill"
	"github.com/penstock-io/penstock/pipeline"
)

// errNoDrain refuses --until-drained before anything is connected to.
var errNoDrain = errors.New("a Watermill subscriber does not tell where its topic ends, so --until-drained would never end; run the pipeline without it")

// watermillSources are the stock subscribers of Watermill.
func watermillSources() []Source {
	return []Source{
		NewSource(SourceInfo{
			Name: "watermill_redisstream", Best: pipeline.AtLeastOnce,
			Doc: `Topics of watermill-redisstream, the stock package, as a consumer of a group.

A message's payload is the value, its metadata the headers, its UUID the header
_watermill_message_uuid. It is slow, as the stock subscriber gives one message at a
time; redis_stream with a group is faster.`,
			Example: "watermill_redisstream:\n  url: redis://localhost:6379/0\n  topics: [events]\n  consumer_group: my-service\n",
			Keeps:   "messages are acknowledged in the group when they are delivered; those of a consumer that has gone are taken over after claim_idle, and come again",
			Order:   "each topic in the order of its stream; there is none when messages are taken over, and between several processes",
		}, func(env Environment, t watermill.RedisSourceSettings) (*watermill.Source, error) {
			if env.DrainOnce {
				return nil, errNoDrain
			}
			return watermill.NewRedisSource(t, env.Log)
		}),
		NewSource(SourceInfo{
			Name: "watermill_kafka", Best: pipeline.AtLeastOnce,
			Doc: `Topics of Kafka read by watermill-kafka, the stock package, in a consumer group.

A message's payload is the value, its metadata the headers, its UUID the header
_watermill_message_uuid; key and time are those of the Kafka record.`,
			Example: "watermill_kafka:\n  brokers: [localhost:9092]\n  topics: [events]\n  consumer_group: my-service\n",
			Keeps:   "offsets are committed in the group once a second, of what is delivered; the rest comes again after a crash or a rebalance",
			Order:   "each partition in its order; between partitions, and when they move to another consumer, there is none",
		}, func(env Environment, t watermill.KafkaSourceSettings) (*watermill.Source, error) {
			if env.DrainOnce {
				return nil, errNoDrain
			}
			return watermill.NewKafkaSource(t, env.Log)
		}),
	}
}

// watermillSinks are the stock publishers of Watermill.
func watermillSinks() []Sink {
	return []Sink{
		NewSink(SinkInfo{
			Name: "watermill_redisstream", Best: pipeline.AtLeastOnce,
			Doc: `A topic of watermill-redisstream, the stock package: a Redis stream.

The value is the message's payload, headers are its metadata. Its UUID is the header
_watermill_message_uuid, else one made of the record's origin, the same each time the
record is published.`,
			Example: "watermill_redisstream:\n  url: redis://localhost:6379/0\n  topic: events\n",
			Key:     func(settings any) pipeline.Expression { return settings.(*watermill.RedisSinkSettings).Key },
			Keeps:   keepsNoPositions, Order: keepsOrder,
		}, func(env Environment, t watermill.RedisSinkSettings) (*watermill.Sink, error) {
			return watermill.NewRedisSink(t, env.DeadLetters, env.Log)
		}),
		NewSink(SinkInfo{
			Name: "watermill_kafka", Best: pipeline.AtLeastOnce,
			Doc: `A topic of Kafka written by watermill-kafka, the stock package.

The value is the message's payload, headers are its metadata. Its UUID is the header
_watermill_message_uuid, else one made of the record's origin, the same each time the
record is published. Keys choose partitions as sarama does (FNV-1a), not as Java and
the sink kafka do (murmur2). It is slow: the stock publisher sends one message at a time.`,
			Example:   "watermill_kafka:\n  brokers: [localhost:9092]\n  topic: events\n  key: value.user_id\n",
			Key:       func(settings any) pipeline.Expression { return settings.(*watermill.KafkaSinkSettings).Key },
			Keeps:     "messages are acknowledged by all replicas in sync before the source is told; " + keepsNoPositions,
			Order:     "records of one key go to one partition, in that order",
			Unordered: "no key is set: records that come without one are spread over the partitions, so order is kept within a partition only",
		}, func(env Environment, t watermill.KafkaSinkSettings) (*watermill.Sink, error) {
			return watermill.NewKafkaSink(t, env.DeadLetters, env.Log)
		}),
	}
}
