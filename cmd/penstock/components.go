package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/penstock-io/penstock/connectors/kafka"
	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// surroundings are what components may use of the process.
type surroundings struct {
	log    *slog.Logger
	stdin  io.Reader
	stdout io.Writer
	clock  pipeline.Clock
	// drainOnce makes scheduled sources read at once.
	drainOnce bool
}

// A source, transform or sink that is built in: what the file may say of it, and
// how it is made from that.
type (
	sourceKind struct {
		config.Component
		build func(s surroundings, settings any) (pipeline.Source, error)
	}
	sinkKind struct {
		config.Component
		build func(s surroundings, settings any, deadLetter string) (pipeline.Sink, error)
		// key is the expression that makes the record's key.
		key func(settings any) pipeline.Expression
		// positions: the sink stores positions.
		positions bool
	}
)

// settingsOf lets a component be built from settings of its own type.
func sourceOf[T any](c config.Component, build func(surroundings, *T) (pipeline.Source, error)) sourceKind {
	c.Settings = func() any { return new(T) }
	return sourceKind{c, func(s surroundings, settings any) (pipeline.Source, error) { return build(s, settings.(*T)) }}
}

// sources are the sources that are built in.
func sources() []sourceKind {
	return []sourceKind{
		sourceOf(config.Component{
			Name: "redis_list", Best: pipeline.ExactlyOnce,
			Doc: `Lists of Redis, read from one end as writers push at the other.

Items stay in the list until they are committed; then they are trimmed, by a
script that checks that they are the committed ones. Order is kept per list.`,
			Example: "redis_list:\n  url: redis://localhost:6379/0\n  keys: [user_behavior]\n",
		}, func(s surroundings, t *redis.ListSettings) (pipeline.Source, error) {
			if s.drainOnce {
				t.Trigger.Continuous()
			}
			return redis.NewListSource(*t, s.log)
		}),
		sourceOf(config.Component{
			Name: "redis_stream", Best: pipeline.ExactlyOnce,
			Doc: `Streams of Redis, read by position, without a consumer group.

An entry is an object of its fields; with value_field, that field's bytes are the
value and the others become headers. Order is kept per stream.`,
			Example: "redis_stream:\n  url: redis://localhost:6379/0\n  keys: [user_behavior]\n  value_field: payload\n",
			Fields:  func(settings any) bool { return settings.(*redis.StreamSettings).ValueField == "" },
		}, func(s surroundings, t *redis.StreamSettings) (pipeline.Source, error) {
			if s.drainOnce {
				t.Trigger.Continuous()
			}
			return redis.NewStreamSource(*t, s.log)
		}),
		sourceOf(config.Component{
			Name: "stdin", Best: pipeline.AtMostOnce,
			Doc:     "Lines of standard input. What is under way is lost with the process.",
			Example: "stdin: {}\n",
		}, func(s surroundings, t *local.StdinSettings) (pipeline.Source, error) {
			return local.NewStdin(*t, s.stdin), nil
		}),
		sourceOf(config.Component{
			Name: "file", Best: pipeline.ExactlyOnce,
			Doc:     "Lines of a file, from its start to its end. The position is the byte after the last line.",
			Example: "file: {path: events.jsonl}\n",
		}, func(_ surroundings, t *local.FileSourceSettings) (pipeline.Source, error) {
			return local.NewFileSource(*t), nil
		}),
		sourceOf(config.Component{
			Name: "generate", Best: pipeline.ExactlyOnce,
			Doc:     "Events of a pretend shop, the same ones for the same seed.",
			Example: "generate: {events: 1000, users: 10}\n",
		}, func(_ surroundings, t *local.GenerateSettings) (pipeline.Source, error) {
			return local.NewGenerate(*t), nil
		}),
	}
}

// sinks are the sinks that are built in.
func sinks() []sinkKind {
	return []sinkKind{
		{Component: config.Component{
			Name: "kafka", Best: pipeline.ExactlyOnce,
			Doc: `A topic of Kafka, written in transactions that hold the positions too.

Records of one key go to one partition, in order.`,
			Example:  "kafka:\n  brokers: [localhost:9092]\n  topic: user_behavior_topic\n  key: value.user_id\n",
			Settings: func() any { return new(kafka.SinkSettings) },
		}, build: func(s surroundings, settings any, deadLetter string) (pipeline.Sink, error) {
			return kafka.NewSink(*settings.(*kafka.SinkSettings), deadLetter, s.log)
		}, key: func(settings any) pipeline.Expression { return settings.(*kafka.SinkSettings).Key }, positions: true},
		{Component: config.Component{
			Name: "stdout", Best: pipeline.AtLeastOnce,
			Doc:      "A line a record on standard output.",
			Example:  "stdout: {}\n",
			Settings: func() any { return new(local.StdoutSettings) },
		}, build: func(s surroundings, settings any, _ string) (pipeline.Sink, error) {
			return local.NewStdout(*settings.(*local.StdoutSettings), s.stdout), nil
		}},
		{Component: config.Component{
			Name: "file", Best: pipeline.AtLeastOnce,
			Doc:      "A line a record at the end of a file.",
			Example:  "file: {path: out.jsonl}\n",
			Settings: func() any { return new(local.FileSinkSettings) },
		}, build: func(_ surroundings, settings any, _ string) (pipeline.Sink, error) {
			return local.NewFileSink(*settings.(*local.FileSinkSettings)), nil
		}},
		{Component: config.Component{
			Name: "drop", Best: pipeline.AtLeastOnce,
			Doc:      "Nowhere: records are counted and thrown away.",
			Example:  "drop: {}\n",
			Settings: func() any { return new(local.DropSettings) },
		}, build: func(_ surroundings, settings any, _ string) (pipeline.Sink, error) {
			return local.NewDrop(*settings.(*local.DropSettings)), nil
		}},
	}
}

func now() time.Time { return time.Now() }
