package cli

import (
	"slices"
	"strings"

	"github.com/penstock-io/penstock/connectors/kafka"
	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/transforms"
)

// This file is the only list of what is built in.

// BuiltIn lists the components that penstock itself has. Each call gives a list of
// its own, which the caller may change.
func BuiltIn() Components {
	return Components{Sources: sources(), Transforms: transformKinds(), Formats: formats(), Sinks: sinks()}
}

// sources are the sources that are built in.
func sources() []Source { return slices.Concat(serverSources(), localSources(), watermillSources()) }

// serverSources read from Redis and Kafka.
func serverSources() []Source {
	return []Source{
		NewSource(SourceInfo{
			Name: "redis_list", Best: pipeline.ExactlyOnce, Lasting: byLife,
			Doc: `Lists of Redis, read from one end as writers push at the other.

Items stay in the list until they are committed; then they are trimmed, by a
script that checks that they are the committed ones. Order is kept per list.`,
			Example: "redis_list:\n  url: redis://localhost:6379/0\n  keys: [user_behavior]\n",
			Keeps:   "items stay in the list until their transaction is committed; then a script checks that they are the committed ones and trims them",
			Order:   "each list in the order of its items",
			Redis:   func(settings any) *redis.Connection { return &settings.(*redis.ListSettings).Connection },
			Asks:    []string{"Redis, CONFIG GET maxmemory-policy: a policy that may evict the list is refused; where Redis does not tell, it goes unnoticed"},
		}, func(env Environment, t redis.ListSettings) (*redis.ListSource, error) {
			if env.DrainOnce {
				t.Trigger.Continuous()
			}
			return redis.NewListSource(t, env.Log)
		}),
		NewSource(SourceInfo{
			Name: "redis_stream", Best: pipeline.ExactlyOnce, Lasting: byKey,
			Doc: `Streams of Redis, read by position, or as a consumer of a group.

An entry is an object of its fields; with value_field, that field's bytes are the
value and the others become headers. With watermill, entries are the messages that
watermill-redisstream writes; written to Kafka, watermill-kafka reads the same ones.

Order is kept per stream. With group, entries
are shared with the group's other consumers: at least once, in order per consumer.

A record's time is that of its entry's id; ids that are no times (before 2001, or
more than an hour ahead) give the time of reading. Kafka's retention goes by it.`,
			Example: "redis_stream:\n  url: redis://localhost:6379/0\n  keys: [user_behavior]\n  value_field: payload\n",
			Fields: func(settings any) bool {
				s := settings.(*redis.StreamSettings)
				return s.ValueField == "" && !s.Watermill
			},
			Keeps: "entries are read after the committed position, and removed, if at all, only up to it",
			Order: "each stream in the order of its entries",
			With:  withGroup,
			Redis: func(settings any) *redis.Connection { return &settings.(*redis.StreamSettings).Connection },
			Asks:  []string{"Redis, XINFO STREAM entries-added (since 7.0): tells whether entries were trimmed before they were read; where Redis does not tell, it goes unnoticed"},
		}, func(env Environment, t redis.StreamSettings) (pipeline.Source, error) {
			if env.DrainOnce {
				t.Trigger.Continuous()
			}
			if t.Group != nil {
				return redis.NewGroupSource(t, env.Instance, env.Log)
			}
			return redis.NewStreamSource(t, env.Log)
		}),
		NewSource(SourceInfo{
			Name: "kafka", Best: pipeline.ExactlyOnce, Lasting: byLife,
			Doc: `Topics of Kafka, read partition by partition and by position.

A reader sees what is committed (read_committed). Keys, headers and times stay.
Order is kept per partition. Positions are the pipeline's, not a consumer group's.`,
			Example: "kafka:\n  brokers: [localhost:9092]\n  topics: [orders]\n",
			Keeps:   "records are read after the committed position, whatever consumer groups say",
			Order:   "each partition in the order of its records",
			Asks:    []string{"Kafka, topic ids (since 2.8): a topic that was deleted and made again is a gap; where Kafka does not tell, only its offsets are looked at"},
		}, func(env Environment, t kafka.SourceSettings) (*kafka.Source, error) {
			return kafka.NewSource(t, env.Pipeline, env.Log)
		}),
	}
}

// localSources read what is near by.
func localSources() []Source {
	return []Source{
		NewSource(SourceInfo{
			Name: "stdin", Best: pipeline.AtMostOnce,
			Doc:     "Lines of standard input. What is under way is lost with the process.",
			Example: "stdin: {}\n",
			Keeps:   "standard input cannot be read again", Order: "lines in their order",
		}, func(env Environment, t local.StdinSettings) (*local.Stdin, error) {
			return local.NewStdin(t, env.Stdin), nil
		}),
		NewSource(SourceInfo{
			Name: "file", Best: pipeline.ExactlyOnce, Lasting: byLife,
			Doc:     "Lines of a file, from its start to its end. The position is the byte after the last line.",
			Example: "file: {path: events.jsonl}\n",
			Keeps:   "lines are read after the committed position", Order: "lines in their order",
		}, func(_ Environment, t local.FileSourceSettings) (*local.FileSource, error) {
			return local.NewFileSource(t), nil
		}),
		NewSource(SourceInfo{
			Name: "generate", Best: pipeline.ExactlyOnce, Lasting: byLife,
			Doc:     "Events of a pretend shop, the same ones for the same seed.",
			Example: "generate: {events: 1000, users: 10}\n",
			Keeps:   "the same events are made again after the committed position", Order: "events as they were made",
		}, func(_ Environment, t local.GenerateSettings) (*local.Generate, error) {
			return local.NewGenerate(t), nil
		}),
	}
}

// forgets tells what dedupe does not know.
func forgets(settings any) string {
	if settings.(*dedupeSettings).Redis == nil {
		return "remembers keys in memory: after a restart it does not know those from before"
	}
	return "keeps keys in Redis: what a failover of Redis loses, or Redis evicts, it does not know; nor a key twice the time of within after it was claimed; of a list that on_gap: continue takes as a new one, what was claimed and not delivered before counts as a duplicate"
}

// byLife names a record for good where its incarnation is that of its shard.
func byLife(shard, incarnation string) string { return shard + "\x00" + incarnation }

// byKey names an entry of a stream for good: no other has its id.
func byKey(shard, _ string) string { return shard }

// byConsumed is byKey where several consumers share a stream, each with a shard.
func byConsumed(shard, _ string) string { return shard[:max(strings.LastIndexByte(shard, '#'), 0)] }

// withGroup is redis_stream where a group is read.
func withGroup(settings any, i SourceInfo) SourceInfo {
	if settings.(*redis.StreamSettings).Group == nil {
		return i
	}
	i.Best = pipeline.AtLeastOnce
	if settings.(*redis.StreamSettings).Group.Consumers > 1 {
		i.Lasting = byConsumed
	}
	i.Keeps = "entries stay pending in the group until they are delivered; those of a consumer that has gone are taken over, and come again"
	i.Order = "the entries of each consumer in their order; between consumers, and when entries are taken over, there is none"
	i.Asks = nil
	return i
}

// transformKinds are the transforms that are built in.
func transformKinds() []Transform {
	return append([]Transform{
		NewTransform(TransformInfo{
			Name: "filter", Example: "filter: value.action in [\"cart\", \"buy\"]\n",
			Doc: "Lets records pass for which a condition is true.",
		}, func(_ Environment, t transforms.FilterSettings) (*transforms.Filter, error) {
			return transforms.NewFilter(t)
		}),
		NewTransform(TransformInfo{
			Name: "dedupe", Example: "dedupe: {key: value.event_id, within: 10m}\n",
			Doc: `Lets the first record of a key pass, and takes out the others.

A record that comes again after a failure is no duplicate of itself. With redis, keys are
claimed there before their record is delivered, and kept for twice the time of within.
While Redis does not answer, the pipeline waits.`,
			But: forgets,
		}, dedupe),
		NewTransform(TransformInfo{
			Name: "set", Example: "set: {value.channel: web}\n",
			Doc: "Writes literals to fields, headers, the key or the topic.",
		}, func(_ Environment, t transforms.SetSettings) (*transforms.Set, error) { return transforms.NewSet(t) }),
		NewTransform(TransformInfo{
			Name: "compute", Example: "compute: {value.total: value.price * value.quantity}\n",
			Doc: "Writes the results of expressions to fields, headers, the key or the topic.",
		}, func(_ Environment, t transforms.ComputeSettings) (*transforms.Compute, error) {
			return transforms.NewCompute(t)
		}),
		NewTransform(TransformInfo{
			Name: "drop", Example: "drop: [value.ip, headers.cookie]\n",
			Doc: "Leaves fields, headers, the key or the topic out.",
		}, func(_ Environment, t transforms.DropSettings) (*transforms.Drop, error) {
			return transforms.NewDrop(t)
		}),
		NewTransform(TransformInfo{
			Name: "rename", Example: "rename: {value.uid: value.user_id}\n",
			Doc: "Gives fields or headers another name.",
		}, func(_ Environment, t transforms.RenameSettings) (*transforms.Rename, error) {
			return transforms.NewRename(t)
		}),
		pluginTransform(),
	}, shapes()...)
}

// sinks are the sinks that are built in.
func sinks() []Sink {
	return append([]Sink{
		NewSink(SinkInfo{
			Name: "kafka", Best: pipeline.ExactlyOnce,
			Doc: `A topic of Kafka, written in transactions that hold the positions too.

Records of one key go to one partition, in order.`,
			Example:   "kafka:\n  brokers: [localhost:9092]\n  topic: user_behavior_topic\n  key: value.user_id\n",
			Positions: true,
			Key:       func(settings any) pipeline.Expression { return settings.(*kafka.SinkSettings).Key },
			Partition: func(settings any) pipeline.Expression { return settings.(*kafka.SinkSettings).Partition },
			Spread:    spread,
			Keeps:     "records and the positions after them are one transaction, so readers with isolation.level=read_committed see each record once; others may also see what was given up",
			Order:     "records of one key go to one partition, in that order",
			Unordered: "no key is set: records that come without one are spread over the partitions, so order is kept within a partition only",
			Weaker:    withoutTransactions,
			Asks:      []string{"Kafka, topic configuration max.message.bytes: larger records are refused before they are sent; where Kafka does not tell, its default counts"},
		}, func(env Environment, t kafka.SinkSettings) (*kafka.Sink, error) {
			return kafka.NewSink(t, env.Delivery, kafka.DeadLetters{Topic: env.DeadLetters, Partitions: env.Source == "kafka"}, env.Log)
		}),
		NewSink(SinkInfo{
			Name: "stdout", Best: pipeline.AtLeastOnce,
			Doc: "A line a record on standard output.", Example: "stdout: {}\n",
			Keeps: keepsNoPositions, Order: keepsOrder,
		}, func(env Environment, t local.StdoutSettings) (*local.Stdout, error) {
			return local.NewStdout(t, env.Stdout), nil
		}),
		NewSink(SinkInfo{
			Name: "file", Best: pipeline.AtLeastOnce,
			Doc: "A line a record at the end of a file.", Example: "file: {path: out.jsonl}\n",
			Keeps: keepsNoPositions, Order: keepsOrder,
		}, func(_ Environment, t local.FileSinkSettings) (*local.FileSink, error) {
			return local.NewFileSink(t), nil
		}),
		NewSink(SinkInfo{
			Name: "drop", Best: pipeline.AtLeastOnce,
			Doc: "Nowhere: records are counted and thrown away.", Example: "drop: {}\n",
			Keeps: keepsNoPositions, Order: keepsOrder,
		}, func(_ Environment, t local.DropSettings) (*local.Drop, error) {
			return local.NewDrop(t), nil
		}),
	}, watermillSinks()...)
}

// spread is the order that kafka keeps where records do not go by their keys; empty:
// they do.
func spread(settings any) string {
	switch s := settings.(*kafka.SinkSettings); {
	case s.Partition != "":
		return "each record goes to the partition that sink.partition gives, and order is kept within a partition"
	case s.Partitioner == "round_robin":
		return "records go to the partitions in turn, whatever their keys, so order is kept within a partition only"
	default:
		return ""
	}
}

// withoutTransactions is kafka where a pipeline asks for less than exactly once.
func withoutTransactions(i SinkInfo) SinkInfo {
	i.Best, i.Positions = pipeline.AtLeastOnce, false
	i.Keeps = "records are acknowledged by all replicas in sync before the source is told; the source keeps its own position, and what was delivered just before a crash is delivered again"
	return i
}

const (
	keepsNoPositions = "it stores no positions: what was written just before a crash is written again"
	keepsOrder       = "records in that order"
)
