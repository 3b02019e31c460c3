package config

import (
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// Pipeline is one pipeline as its file describes it, with every default filled
// in. Its fields stand in the order in which a file shows them.
type Pipeline struct {
	Name       string            `yaml:"name" required:"true" example:"user-behavior" doc:"The pipeline's identity: positions and transactional ids carry it. Letters, digits, dots, underscores and hyphens."`
	Source     Source            `yaml:"source" required:"true" doc:"Where records come from."`
	Transforms []Step            `yaml:"transforms" doc:"What happens to records on their way, in this order."`
	Middleware []Middleware      `yaml:"middleware" doc:"Watermill's middlewares around the transforms, the first outermost; each holds a whole batch, and each item names one."`
	Sink       Sink              `yaml:"sink" required:"true" doc:"Where records go."`
	Tasks      int               `yaml:"tasks" default:"1" doc:"How many lanes write at once: each is a producer with transactions of its own, and a shard belongs to one of them. More than one pays where there are many shards and several CPUs."`
	Delivery   pipeline.Delivery `yaml:"delivery" default:"exactly_once" doc:"The guarantee. What source and sink cannot keep is refused."`
	Lease      *Lease            `yaml:"lease" example:"{life: 10s}" doc:"Which of several instances of the pipeline is active; the others stand by. Written or not, a pipeline that moves a list or stream of Redis exactly once has one, in the source's own Redis; consumer groups and other pipelines have none unless url is written."`
	OnError    OnError           `yaml:"on_error" example:"{then: dead_letter, dead_letter: {file: {path: dead.jsonl}}}" doc:"What becomes of a record that a format, a transform or the sink refuses."`
	Window     Window            `yaml:"window" doc:"How much may be on its way at once."`
	Commit     Commit            `yaml:"commit" doc:"When a transaction is committed while records keep coming; an idle pipeline commits at once."`
	Tests      []Test            `yaml:"tests" doc:"Records to try the transforms with (penstock test)."`

	At Place

	// hidden is behind a pointer, so that printing a Pipeline does not show it.
	hidden *hidden
	// decoder knows where everything stands in the file.
	decoder *decoder
}

// Use is a component with its settings.
type Use struct {
	Component string
	// Settings is the pointer that Component.Settings made, filled in; nil for a
	// component without settings.
	Settings any
	// At is where the file names the component.
	At Place
}

// Source is where records come from.
type Source struct {
	Use `yaml:",component" of:"source"`
	// Format reads the bytes that come. nil: the source's values have fields
	// already, and no format applies.
	Format *Use  `yaml:"format" of:"format" example:"json" doc:"How the bytes that come are read: bytes unless written. Sources whose values have fields already take none."`
	Batch  Batch `yaml:"batch" doc:"How much is read at once."`
}

// Batch bounds what is read at once.
type Batch struct {
	Records int           `yaml:"records" default:"1000" min:"1" doc:"At most this many records."`
	Bytes   pipeline.Size `yaml:"bytes" default:"4 MiB" min:"1" doc:"At most this many bytes; a single record may be larger."`
}

// Step is a transform in its place.
type Step struct {
	Use     `yaml:",component" of:"transform"`
	When    pipeline.Expression `yaml:"when" condition:"true" example:"value.action == \"buy\"" doc:"Only records for which this is true; the others pass unchanged."`
	OnError *OnError            `yaml:"on_error" doc:"Overrides the pipeline's on_error for this transform."`
}

// Middleware is one of Watermill's, around the transforms.
type Middleware struct {
	Throttle *Throttle       `yaml:"throttle" doc:"Let batches begin no faster than this." example:"{batches: 100, per: 1s}"`
	Timeout  time.Duration   `yaml:"timeout" min:"1ms" doc:"How long a batch may take through what is inside; then the context of its transforms ends, the batch fails, and comes again. What rate_limit and delay make it wait counts." example:"5s"`
	Breaker  *CircuitBreaker `yaml:"circuit_breaker" doc:"Leave the transforms alone for a while when batch after batch has failed." example:"{failures: 5, open: 30s}"`
}

// Throttle is Watermill's Throttle.
type Throttle struct {
	Batches int           `yaml:"batches" required:"true" min:"1" example:"100" doc:"How many batches."`
	Per     time.Duration `yaml:"per" default:"1s" min:"1ms" doc:"In how long."`
}

// CircuitBreaker is Watermill's CircuitBreaker.
type CircuitBreaker struct {
	Failures int           `yaml:"failures" default:"5" min:"1" doc:"After so many failed batches in a row it opens: batches fail at once, and come again."`
	Open     time.Duration `yaml:"open" default:"30s" min:"1ms" doc:"How long until it lets one batch through, to see."`
}

// Sink is where records go.
type Sink struct {
	Use `yaml:",component" of:"sink"`
	// Format writes the values. nil: they go out as they came.
	Format *Use `yaml:"format" of:"format" example:"json" doc:"How values are written: as they came unless written; json where the source's values have fields already."`
}

// OnError says what becomes of a record that something refuses.
type OnError struct {
	Retry      *Retry      `yaml:"retry" doc:"Try a transform again with records it has refused for a reason that may pass (a server that is away, say), before then. A transform without one of its own uses the pipeline's. What cannot pass (a missing field) is not tried again, and neither is dedupe." example:"{attempts: 3, backoff: 100ms}"`
	Then       string      `yaml:"then" default:"halt" enum:"halt,drop,dead_letter" doc:"halt stops the pipeline at the record, drop counts and forgets it, dead_letter keeps it elsewhere."`
	DeadLetter *DeadLetter `yaml:"dead_letter" doc:"Where dead letters go: one of kafka, redis_stream, file. A transform without one of its own uses the pipeline's."`
	// GiveUpAfter is the pipeline's alone.
	GiveUpAfter *GiveUpAfter `yaml:"give_up_after" doc:"Halt instead of dropping and dead-lettering on, when something is wrong with everything. Only of the pipeline; it counts the refusals of all its stages." example:"{failures: 1000, within: 1m}"`
}

// Retry says how often a refused record is tried again.
type Retry struct {
	Attempts int           `yaml:"attempts" required:"true" min:"1" example:"3" doc:"How often, with the first one."`
	Backoff  time.Duration `yaml:"backoff" default:"100ms" min:"1ms" doc:"The pause before the second attempt; it doubles from attempt to attempt, up to 10 s. Records behind it in the shard wait."`
}

// GiveUpAfter says when so much is refused that the pipeline halts.
type GiveUpAfter struct {
	Failures int           `yaml:"failures" required:"true" min:"1" example:"1000" doc:"How many records."`
	Within   time.Duration `yaml:"within" default:"1m" min:"1s" doc:"In how long."`
}

// DeadLetter is where dead letters go. One of them is not nil.
type DeadLetter struct {
	Kafka       *DeadLetterTopic  `yaml:"kafka" example:"{topic: user_behavior_dead}" doc:"A topic on the sink's own Kafka, in the same transaction."`
	RedisStream *DeadLetterStream `yaml:"redis_stream" example:"{stream: user_behavior_dead}" doc:"A stream of Redis. Each letter is kept before the records are committed: it is never lost, and may be there twice after a crash."`
	File        *DeadLetterFile   `yaml:"file" example:"{path: /var/lib/penstock/user_behavior_dead.jsonl}" doc:"A file of JSON lines. Each letter is kept before the records are committed: it is never lost, and may be there twice after a crash."`
}

// DeadLetterTopic is a topic for dead letters.
type DeadLetterTopic struct {
	Topic string `yaml:"topic" required:"true" example:"user_behavior_dead" doc:"The topic's name."`
}

// DeadLetterStream is a stream of Redis for dead letters.
type DeadLetterStream struct {
	Stream string          `yaml:"stream" required:"true" example:"user_behavior_dead" doc:"The stream's key."`
	URL    pipeline.Secret `yaml:"url" example:"${DEAD_URL:-redis://localhost:6379/0}" doc:"The Redis that keeps it, as a source's url; default: the source's own."`
}

// DeadLetterFile is a file for dead letters.
type DeadLetterFile struct {
	Path string `yaml:"path" local:"true" required:"true" example:"/var/lib/penstock/user_behavior_dead.jsonl" doc:"The file, which is made where there is none; its folder is there. One of a pipeline alone, and of one machine: an instance that takes over elsewhere writes its own."`
}

// Window bounds what is on its way between source and sink.
type Window struct {
	Batches int           `yaml:"batches" default:"64" min:"1" doc:"At most this many batches."`
	Bytes   pipeline.Size `yaml:"bytes" default:"64 MiB" min:"1" doc:"At most this many bytes."`
}

// Commit says when a busy pipeline commits; whichever comes first.
type Commit struct {
	Every   time.Duration `yaml:"every" default:"50ms" min:"1ms" doc:"A transaction is at most this old."`
	Records int           `yaml:"records" default:"100000" min:"1" doc:"A transaction holds at most about this many records."`
}

// Lease says where the lease of a pipeline is kept, and how long it lasts.
type Lease struct {
	Life time.Duration   `yaml:"life" default:"10s" min:"1s" doc:"How long the lease lasts without being renewed (which is tried three times meanwhile): when the active instance is killed or cut off, another one takes over after so long at the latest."`
	URL  pipeline.Secret `yaml:"url" example:"${LEASE_URL:-redis://localhost:6379/0}" doc:"The Redis that keeps it, as redis:// or rediss://; default: the source's own."`
}

// Test is a test of the pipeline's transforms and formats. Given and Expect are kept
// as they stand in the file, with json.Number for numbers; nothing in them is expanded.
type Test struct {
	Name   string     `yaml:"name" required:"true" example:"a purchase passes" doc:"What the test shows."`
	Given  []Given    `yaml:"given" required:"written" example:"[{value: {user_id: u1}}]" doc:"The records that come, in order."`
	Expect []Expected `yaml:"expect" required:"written" example:"[{key: u1}]" doc:"What becomes of them, in order; [] for nothing. Records that a filter or dedupe takes out are not listed, or, where one of them is, all are. A record that is refused is always listed."`

	At       Place
	ExpectAt Place // of the word expect
}

// Given is a record of a test as it comes from the source.
type Given struct {
	Key     *any           `yaml:"key" doc:"The record's key, text; none unless written."`
	Value   *any           `yaml:"value" doc:"Text is the bytes that come, for the source's format to read; anything else is a value that was read."`
	Headers map[string]any `yaml:"headers" doc:"The record's headers: a text each, or a list of texts where a name comes more than once."`
	Time    string         `yaml:"time" example:"2026-01-02T03:04:05Z" doc:"When the event happened: the test's clock unless written."`
	After   time.Duration  `yaml:"after" example:"10m" doc:"How much later than the record before it comes. The test's clock begins at 2026-01-01T00:00:00Z, stands still otherwise, and is never behind time."`
	Shard   string         `yaml:"shard" doc:"The shard it comes from, origin.shard: test unless written."`

	At Place
}

// Expected is what is expected of a record of a test: what it is when it goes out, or
// why it does not. What is nil or empty is not compared; a pointer to nil is a null.
type Expected struct {
	Key     *any           `yaml:"key" doc:"The key it goes out with; null: none."`
	Value   *any           `yaml:"value" doc:"The value it goes out with. Text is its bytes; anything else is compared as JSON, whatever the order of fields."`
	Headers map[string]any `yaml:"headers" doc:"All headers it goes out with; {} for none."`
	Topic   string         `yaml:"topic" doc:"The topic it goes to."`
	Time    string         `yaml:"time" example:"2026-01-02T03:04:05Z" doc:"The time it goes out with."`
	Outcome string         `yaml:"outcome" enum:"filtered,duplicate,dropped,dead_letter,halted" doc:"What becomes of a record that does not go out. The last three are of one that is refused, by its on_error; nothing comes after halted."`
	Error   string         `yaml:"error" example:"no field" doc:"A part of the message with which a record is refused; it begins with the stage: sink.key, transforms[0].filter."`

	At Place
}

// Refused tells whether the record is expected to be refused.
func (e *Expected) Refused() bool { return e.Error != "" || e.Outcome != "" && !e.TakenOut() }

// TakenOut tells whether the record is expected to be taken out by a filter or dedupe.
func (e *Expected) TakenOut() bool { return e.Outcome == "filtered" || e.Outcome == "duplicate" }
