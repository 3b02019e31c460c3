package cli

import (
	"github.com/penstock-io/penstock/connectors/kafka"
	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/transforms"
	"github.com/penstock-io/penstock/transforms/format"
)

// This file is the only list of what is built in.

// sources are the sources that are built in.
func sources() []sourceKind {
	return append([]sourceKind{
		sourceOf(sourceKind{Component: config.Component{
			Name: "redis_list", Best: pipeline.ExactlyOnce,
			Doc: `Lists of Redis, read from one end as writers push at the other.

Items stay in the list until they are committed; then they are trimmed, by a
script that checks that they are the committed ones. Order is kept per list.`,
			Example: "redis_list:\n  url: redis://localhost:6379/0\n  keys: [user_behavior]\n",
		},
			keeps: "items stay in the list until their transaction is committed; then a script checks that they are the committed ones and trims them",
			order: "each list in the order of its items",
			asks:  []string{"Redis, CONFIG GET maxmemory-policy: a policy that may evict the list is refused; where Redis does not tell, it goes unnoticed"},
		}, func(s surroundings, t redis.ListSettings) (*redis.ListSource, error) {
			if s.drainOnce {
				t.Trigger.Continuous()
			}
			return redis.NewListSource(t, s.log)
		}),
		sourceOf(sourceKind{Component: config.Component{
			Name: "redis_stream", Best: pipeline.ExactlyOnce, BestWith: streamKeeps,
			Doc: `Streams of Redis, read by position, or as a consumer of a group.

An entry is an object of its fields; with value_field, that field's bytes are the
value and the others become headers. Order is kept per stream. With group, entries
are shared with the group's other consumers: at least once, in order per consumer.

A record's time is that of its entry's id; ids that are no times (before 2001, or
more than an hour ahead) give the time of reading. Kafka's retention goes by it.`,
			Example: "redis_stream:\n  url: redis://localhost:6379/0\n  keys: [user_behavior]\n  value_field: payload\n",
			Fields:  func(settings any) bool { return settings.(*redis.StreamSettings).ValueField == "" },
		},
			keeps: "entries are read after the committed position, and removed, if at all, only up to it",
			order: "each stream in the order of its entries",
			with:  withGroup,
			asks:  []string{"Redis, XINFO STREAM entries-added (since 7.0): tells whether entries were trimmed before they were read; where Redis does not tell, it goes unnoticed"},
		}, func(s surroundings, t redis.StreamSettings) (pipeline.Source, error) {
			if s.drainOnce {
				t.Trigger.Continuous()
			}
			if t.Group != nil {
				return redis.NewGroupSource(t, s.instance, s.log)
			}
			return redis.NewStreamSource(t, s.log)
		}),
		sourceOf(sourceKind{Component: config.Component{
			Name: "stdin", Best: pipeline.AtMostOnce,
			Doc:     "Lines of standard input. What is under way is lost with the process.",
			Example: "stdin: {}\n",
		}, keeps: "standard input cannot be read again", order: "lines in their order",
		}, func(s surroundings, t local.StdinSettings) (*local.Stdin, error) {
			return local.NewStdin(t, s.stdin), nil
		}),
		sourceOf(sourceKind{Component: config.Component{
			Name: "file", Best: pipeline.ExactlyOnce,
			Doc:     "Lines of a file, from its start to its end. The position is the byte after the last line.",
			Example: "file: {path: events.jsonl}\n",
		}, keeps: "lines are read after the committed position", order: "lines in their order",
		}, func(_ surroundings, t local.FileSourceSettings) (*local.FileSource, error) {
			return local.NewFileSource(t), nil
		}),
		sourceOf(sourceKind{Component: config.Component{
			Name: "generate", Best: pipeline.ExactlyOnce,
			Doc:     "Events of a pretend shop, the same ones for the same seed.",
			Example: "generate: {events: 1000, users: 10}\n",
		}, keeps: "the same events are made again after the committed position", order: "events as they were made",
		}, func(_ surroundings, t local.GenerateSettings) (*local.Generate, error) {
			return local.NewGenerate(t), nil
		}),
	}, watermillSources()...)
}

// streamKeeps is what streams keep at best: less in a group.
func streamKeeps(settings any) pipeline.Delivery {
	if settings.(*redis.StreamSettings).Group != nil {
		return pipeline.AtLeastOnce
	}
	return pipeline.ExactlyOnce
}

// withGroup is redis_stream where a group is read.
func withGroup(settings any, k sourceKind) sourceKind {
	if settings.(*redis.StreamSettings).Group == nil {
		return k
	}
	k.keeps = "entries stay pending in the group until they are delivered; those of a consumer that has gone are taken over, and come again"
	k.order = "the entries of each consumer in their order; between consumers, and when entries are taken over, there is none"
	k.asks = nil
	return k
}

// formats are the formats that are built in. None has settings.
func formats() []config.Component {
	return []config.Component{
		{Name: format.JSON, Example: "json\n", Fields: func(any) bool { return true },
			Doc: `JSON texts. Their fields can be read and changed.

What nothing changes goes out byte for byte: the order of fields, escapes, 12.50
and numbers beyond 64 bits too.`},
		{Name: format.Text, Example: "text\n", Doc: "UTF-8 text. The value is one string."},
		{Name: format.Bytes, Example: "bytes\n", Doc: "Bytes, as they are. The default of sources."},
	}
}

// transformKinds are the transforms that are built in.
func transformKinds() []transformKind {
	return []transformKind{
		transformOf(transformKind{Component: config.Component{
			Name: "filter", Example: "filter: value.action in [\"cart\", \"buy\"]\n",
			Doc: "Lets records pass for which a condition is true.",
		}}, func(_ surroundings, t transforms.FilterSettings) (*transforms.Filter, error) {
			return transforms.NewFilter(t)
		}),
		transformOf(transformKind{Component: config.Component{
			Name: "dedupe", Example: "dedupe: {key: value.event_id, within: 10m}\n",
			Doc: `Lets the first record of a key pass, and takes out the others.

A record that comes again after a failure is no duplicate of itself.`,
		}, but: "remembers keys in memory: after a restart it does not know those from before",
		}, func(s surroundings, t transforms.DedupeSettings) (*transforms.Dedupe, error) {
			return transforms.NewDedupe(t, s.clock)
		}),
		transformOf(transformKind{Component: config.Component{
			Name: "set", Example: "set: {value.channel: web}\n",
			Doc: "Writes literals to fields, headers, the key or the topic.",
		}}, func(_ surroundings, t transforms.SetSettings) (*transforms.Set, error) { return transforms.NewSet(t) }),
		transformOf(transformKind{Component: config.Component{
			Name: "compute", Example: "compute: {value.total: value.price * value.quantity}\n",
			Doc: "Writes the results of expressions to fields, headers, the key or the topic.",
		}}, func(_ surroundings, t transforms.ComputeSettings) (*transforms.Compute, error) {
			return transforms.NewCompute(t)
		}),
		transformOf(transformKind{Component: config.Component{
			Name: "drop", Example: "drop: [value.ip, headers.cookie]\n",
			Doc: "Leaves fields, headers, the key or the topic out.",
		}}, func(_ surroundings, t transforms.DropSettings) (*transforms.Drop, error) {
			return transforms.NewDrop(t)
		}),
		transformOf(transformKind{Component: config.Component{
			Name: "rename", Example: "rename: {value.uid: value.user_id}\n",
			Doc: "Gives fields or headers another name.",
		}}, func(_ surroundings, t transforms.RenameSettings) (*transforms.Rename, error) {
			return transforms.NewRename(t)
		}),
	}
}

// sinks are the sinks that are built in.
func sinks() []sinkKind {
	return append([]sinkKind{
		sinkOf(sinkKind{Component: config.Component{
			Name: "kafka", Best: pipeline.ExactlyOnce,
			Doc: `A topic of Kafka, written in transactions that hold the positions too.

Records of one key go to one partition, in order.`,
			Example: "kafka:\n  brokers: [localhost:9092]\n  topic: user_behavior_topic\n  key: value.user_id\n",
		}, positions: true,
			key:       func(settings any) pipeline.Expression { return settings.(*kafka.SinkSettings).Key },
			keeps:     "records and the positions after them are one transaction, so readers with isolation.level=read_committed see each record once; others may also see what was given up",
			order:     "records of one key go to one partition, in that order",
			unordered: "no key is set: records that come without one are spread over the partitions, so order is kept within a partition only",
			weaker:    withoutTransactions,
			asks:      []string{"Kafka, topic configuration max.message.bytes: larger records are refused before they are sent; where Kafka does not tell, its default counts"},
		}, func(s surroundings, t kafka.SinkSettings, deadLetter string) (*kafka.Sink, error) {
			return kafka.NewSink(t, s.delivery, deadLetter, s.log)
		}),
		sinkOf(sinkKind{Component: config.Component{
			Name: "stdout", Best: pipeline.AtLeastOnce,
			Doc: "A line a record on standard output.", Example: "stdout: {}\n",
		}, keeps: keepsNoPositions, order: keepsOrder, unordered: keepsOrder,
		}, func(s surroundings, t local.StdoutSettings, _ string) (*local.Stdout, error) {
			return local.NewStdout(t, s.stdout), nil
		}),
		sinkOf(sinkKind{Component: config.Component{
			Name: "file", Best: pipeline.AtLeastOnce,
			Doc: "A line a record at the end of a file.", Example: "file: {path: out.jsonl}\n",
		}, keeps: keepsNoPositions, order: keepsOrder, unordered: keepsOrder,
		}, func(_ surroundings, t local.FileSinkSettings, _ string) (*local.FileSink, error) {
			return local.NewFileSink(t), nil
		}),
		sinkOf(sinkKind{Component: config.Component{
			Name: "drop", Best: pipeline.AtLeastOnce,
			Doc: "Nowhere: records are counted and thrown away.", Example: "drop: {}\n",
		}, keeps: keepsNoPositions, order: keepsOrder, unordered: keepsOrder,
		}, func(_ surroundings, t local.DropSettings, _ string) (*local.Drop, error) {
			return local.NewDrop(t), nil
		}),
	}, watermillSinks()...)
}

// withoutTransactions is kafka where a pipeline asks for less than exactly once.
func withoutTransactions(k sinkKind) sinkKind {
	k.Best, k.positions = pipeline.AtLeastOnce, false
	k.keeps = "records are acknowledged by all replicas in sync before the source is told; the source keeps its own position, and what was delivered just before a crash is delivered again"
	return k
}

const (
	keepsNoPositions = "it stores no positions: what was written just before a crash is written again"
	keepsOrder       = "records in that order"
)
