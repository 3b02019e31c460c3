package config_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// The components of the tests: they look like the real ones, and do nothing.

type connection struct {
	URL pipeline.Secret `yaml:"url" default:"redis://localhost:6379/0" example:"redis://user:password@host:6379/0" doc:"The server."`
}

type tlsSettings struct {
	CA     string `yaml:"ca" required:"true" doc:"A file of certificates."`
	Verify bool   `yaml:"verify" default:"true" doc:"Check the server's name."`
}

type trigger struct {
	Mode     string        `yaml:",scalar" default:"continuous" enum:"continuous" doc:"All the time."`
	Every    time.Duration `yaml:"every" min:"1ms" doc:"Once in this time."`
	Cron     string        `yaml:"cron" example:"*/5 * * * *" doc:"By the clock."`
	TimeZone string        `yaml:"time_zone" default:"UTC" doc:"The clock's time zone."`
}

type listSettings struct {
	Connection connection   `yaml:",inline"`
	TLS        *tlsSettings `yaml:"tls" doc:"Encrypts the connection."`
	Keys       []string     `yaml:"keys" required:"true" example:"[user_behavior]" doc:"The lists: a shard each."`
	PushedBy   string       `yaml:"pushed_by" default:"rpush" enum:"rpush,lpush" doc:"How producers push."`
	Trigger    trigger      `yaml:"trigger" doc:"When to look."`
	Evict      bool         `yaml:"allow_eviction" doc:"Go on where the server may evict the list."`
	Weight     float64      `yaml:"weight" default:"1.5" min:"0.5" doc:"How heavy."`
}

func (s *listSettings) Validate() []pipeline.Problem {
	var problems []pipeline.Problem
	if url := s.Connection.URL.Reveal(); !strings.HasPrefix(url, "redis") {
		problems = append(problems, pipeline.Problem{Field: "url", What: "this is no address of a Redis: " + url, Do: "write redis://host:6379/0"})
	}
	if cron := s.Trigger.Cron; cron != "" && strings.Count(cron, " ") != 4 {
		problems = append(problems, pipeline.Problem{Field: "trigger.cron", What: "a schedule has five parts", Do: `write "*/5 * * * *"`})
	}
	for i, key := range s.Keys {
		if key == "" {
			problems = append(problems, pipeline.Problem{Field: fmt.Sprintf("keys[%d]", i), What: "a key has no name", Do: "write its name"})
		}
	}
	if s.Evict && s.PushedBy == "lpush" {
		problems = append(problems, pipeline.Problem{What: "allow_eviction and lpush do not go together", Do: "leave one out"})
	}
	return problems
}

type streamSettings struct {
	Connection connection `yaml:",inline"`
	Keys       []string   `yaml:"keys" required:"true" example:"[user_behavior]" doc:"The streams."`
	ValueField string     `yaml:"value_field" doc:"The field that holds the value."`
}

type filterSettings struct {
	Condition pipeline.Expression `yaml:",whole" required:"true" condition:"true" example:"value.action == \"buy\"" doc:"Records for which this is true go on."`
}

type dedupeSettings struct {
	Key     pipeline.Expression `yaml:"key" required:"true" example:"value.event_id" doc:"What makes two records the same."`
	Within  time.Duration       `yaml:"within" required:"true" example:"10m" doc:"For how long."`
	MaxKeys uint32              `yaml:"max_keys" default:"1000000" min:"1" doc:"At most this many."`
}

type setSettings struct {
	Values map[string]any `yaml:",whole" required:"true" path:"true" example:"{value.channel: web}" doc:"Literals."`
}

type computeSettings struct {
	Values map[string]pipeline.Expression `yaml:",whole" required:"true" path:"true" example:"{value.total: value.price * 2}" doc:"Expressions."`
}

type dropSettings struct {
	Paths []string `yaml:",whole" path:"true" example:"[value.ip]" doc:"What to leave out."`
}

type kafkaSettings struct {
	Brokers []string            `yaml:"brokers" required:"true" example:"[localhost:9092]" doc:"Where to start."`
	Topic   string              `yaml:"topic" required:"true" example:"user_behavior_topic" doc:"The topic."`
	Key     pipeline.Expression `yaml:"key" example:"value.user_id" doc:"The records' key."`
	Create  *createSettings     `yaml:"create_topic" doc:"Makes the topic where there is none."`
	SASL    *saslSettings       `yaml:"sasl" doc:"Who we are."`
	Max     pipeline.Size       `yaml:"max_record" default:"1 MiB" min:"1" doc:"The largest record."`
	Labels  map[string]string   `yaml:"labels" doc:"Whatever."`
}

type createSettings struct {
	Partitions int32 `yaml:"partitions" default:"1" min:"1" doc:"How many."`
	Replicas   int16 `yaml:"replicas" default:"1" min:"1" doc:"How many copies."`
}

type saslSettings struct {
	User     string          `yaml:"user" required:"true" doc:"The user."`
	Password pipeline.Secret `yaml:"password" required:"true" example:"${KAFKA_PASSWORD}" doc:"The password."`
}

type csvSettings struct {
	Delimiter string `yaml:"delimiter" default:"," doc:"Between the columns."`
}

func settings[T any]() func() any { return func() any { return new(T) } }

func always(any) bool { return true }

func catalog() *config.Catalog {
	return &config.Catalog{
		Sources: []config.Component{
			{Name: "redis_list", Doc: "Reads Redis lists.\n\nA list is a shard.", Best: pipeline.ExactlyOnce, Settings: settings[listSettings](), Redis: always,
				Example: "redis_list:\n  url: redis://localhost:6379/0\n  keys: [user_behavior]"},
			{Name: "redis_stream", Doc: "Reads Redis streams.", Best: pipeline.ExactlyOnce, Settings: settings[streamSettings](),
				Example: "redis_stream:\n  keys: [user_behavior]",
				Fields:  func(s any) bool { return s.(*streamSettings).ValueField == "" }},
			{Name: "redis_pubsub", Doc: "Listens to Redis channels.", Best: pipeline.AtMostOnce, Example: "redis_pubsub: {}"},
			{Name: "stdin", Doc: "Reads lines from standard input.", Best: pipeline.AtLeastOnce, Example: "stdin: {}"},
		},
		Transforms: []config.Component{
			{Name: "filter", Doc: "Keeps records.", Settings: settings[filterSettings](), Example: `filter: value.action == "buy"`},
			{Name: "dedupe", Doc: "Drops duplicates.", Settings: settings[dedupeSettings](), Example: "dedupe: {key: value.event_id, within: 10m}"},
			{Name: "set", Doc: "Sets literals.", Settings: settings[setSettings](), Example: "set: {value.channel: web}"},
			{Name: "compute", Doc: "Computes.", Settings: settings[computeSettings](), Example: "compute: {value.total: value.price * 2}"},
			{Name: "drop", Doc: "Leaves parts out.", Settings: settings[dropSettings](), Example: "drop: [value.ip]"},
			{Name: "parse", Doc: "Makes fields of bytes.", Example: "parse: {}", Fields: always},
		},
		Formats: []config.Component{
			{Name: "json", Doc: "JSON.", Example: "json", Fields: always},
			{Name: "text", Doc: "UTF-8 text.", Example: "text"},
			{Name: "bytes", Doc: "Bytes.", Example: "bytes"},
			{Name: "csv", Doc: "Comma-separated values.", Example: `csv: {delimiter: ";"}`, Settings: settings[csvSettings](), Fields: always},
		},
		Sinks: []config.Component{
			{Name: "kafka", Doc: "Writes to Kafka.", Best: pipeline.ExactlyOnce, Settings: settings[kafkaSettings](),
				Example: "kafka:\n  brokers: [localhost:9092]\n  topic: user_behavior_topic"},
			{Name: "stdout", Doc: "Writes lines to standard output.", Best: pipeline.AtLeastOnce, Example: "stdout: {}"},
		},
		CheckExpression: checkExpression,
		CheckRedis: func(url pipeline.Secret) []pipeline.Problem {
			if !strings.HasPrefix(url.Reveal(), "redis://") {
				return []pipeline.Problem{{Field: "url", What: "not a Redis URL", Do: "write redis://host:port/db"}}
			}
			return nil
		},
	}
}

var (
	valueField = regexp.MustCompile(`\bvalue\.\w+`)
	word       = regexp.MustCompile(`\b[a-z]\w*\b`)
	quoted     = regexp.MustCompile(`"[^"]*"`)
)

// checkExpression is a very small CEL: quotes and parentheses have to close, and a
// name on its own has to be known.
func checkExpression(e pipeline.Expression, condition bool) config.ExpressionCheck {
	text := string(e)
	var check config.ExpressionCheck
	problem := func(offset int, what, do string) {
		check.Problems = append(check.Problems, config.ExpressionProblem{At: placeIn(text, offset), What: what, Do: do})
	}
	if strings.Count(text, `"`)%2 == 1 {
		problem(strings.LastIndex(text, `"`), "the text has no end", "")
		return check
	}
	if strings.Count(text, "(") != strings.Count(text, ")") {
		problem(len(text), "a parenthesis is open at the end", "write )")
	}
	bare := quoted.ReplaceAllStringFunc(text, func(s string) string { return strings.Repeat(" ", len(s)) })
	for _, m := range word.FindAllStringIndex(bare, -1) {
		name := bare[m[0]:m[1]]
		known := []string{"key", "value", "headers", "topic", "time", "origin", "has", "in", "true", "false"}
		if !slices.Contains(known, name) && (m[0] == 0 || bare[m[0]-1] != '.') {
			problem(m[0], "undeclared reference to '"+name+"'", "write key, value, headers, topic, time or origin")
		}
	}
	if condition && quoted.FindString(text) == text && text != "" {
		problem(0, "a condition is true or false, and this is text", "")
	}
	if m := valueField.FindStringIndex(bare); m != nil {
		check.Field, check.At = text[m[0]:m[1]], placeIn(text, m[0])
	}
	return check
}

func placeIn(text string, offset int) config.ExpressionPlace {
	before := text[:offset]
	start := strings.LastIndex(before, "\n") + 1
	return config.ExpressionPlace{Line: strings.Count(before, "\n") + 1, Col: utf8.RuneCountInString(before[start:]) + 1}
}
