package config

import (
	"fmt"
	"slices"
)

// onError checks that dead letters have somewhere to go, and gives transforms the
// pipeline's own place for them.
func (c *checker) onError() {
	used := c.spec.OnError.Then == "dead_letter"
	c.deadLetter("on_error", &c.spec.OnError, nil)
	for i := range c.spec.Transforms {
		own := c.spec.Transforms[i].OnError
		if own == nil {
			continue
		}
		used = used || own.Then == "dead_letter" && own.DeadLetter == nil
		path := fmt.Sprintf("transforms[%d].on_error", i)
		c.deadLetter(path, own, c.spec.OnError.DeadLetter)
		if own.Retry == nil {
			own.Retry = c.spec.OnError.Retry
		}
		if own.GiveUpAfter != nil {
			c.failAt(path+".give_up_after", "a transform gives up with its pipeline", "write it under the pipeline's on_error, where it counts this transform too")
		}
		if own.Then != "dead_letter" && own.DeadLetter != nil {
			c.unusedDeadLetter(path, own)
		}
	}
	if !used && c.spec.OnError.DeadLetter != nil {
		c.unusedDeadLetter("on_error", &c.spec.OnError)
	}
	if c.spec.OnError.GiveUpAfter != nil && !c.passesOn() {
		c.failAt("on_error.give_up_after", "nothing is to be given up: the first record that is refused halts the pipeline", "remove it, or say then: dead_letter or then: drop")
	}
}

// passesOn tells whether some refused record does not halt the pipeline, or may not:
// what is said of it is wrong.
func (c *checker) passesOn() bool {
	return c.spec.OnError.Then != "halt" || slices.ContainsFunc(c.spec.Transforms, func(s Step) bool { return s.OnError != nil && s.OnError.Then != "halt" })
}

func (c *checker) unusedDeadLetter(path string, e *OnError) {
	if !c.unsure(path) {
		c.failAt(path+".dead_letter", fmt.Sprintf("dead_letter is never used: then is %s", e.Then),
			"write then: dead_letter, or remove dead_letter")
	}
}

func (c *checker) deadLetter(path string, e *OnError, inherited *DeadLetter) {
	if c.unsure(path) {
		return
	}
	if e.DeadLetter != nil {
		c.deadLetterPlace(path+".dead_letter", e.DeadLetter)
	}
	if e.Then != "dead_letter" {
		return
	}
	if e.DeadLetter == nil {
		e.DeadLetter = inherited
	}
	if e.DeadLetter == nil {
		c.failAt(path+".then", "then: dead_letter says nothing about where they go",
			"write dead_letter: {kafka: {topic: "+orName(c.spec.Name)+"_dead}} beside it")
	}
}

// deadLetterSinks are the sinks that can write to another topic of Kafka.
var deadLetterSinks = []string{"kafka", "watermill_kafka"}

// deadLetterPlace checks that one place is named, which the pipeline can reach.
func (c *checker) deadLetterPlace(path string, d *DeadLetter) {
	named := 0
	for _, is := range []bool{d.Kafka != nil, d.RedisStream != nil, d.File != nil} {
		if is {
			named++
		}
	}
	source, known := c.catalog.find(sources, c.spec.Source.Component)
	sink := c.spec.Sink.Component
	switch stream := d.RedisStream; {
	case named != 1:
		c.failAt(path, fmt.Sprintf("dead letters go to one place, and this names %d", named), "write one of kafka, redis_stream, file")
	case d.Kafka != nil && !slices.Contains(deadLetterSinks, sink) && sink != "":
		c.failAt(path, "these dead letters go to Kafka in the sink's transaction, and the sink is "+sink, "write redis_stream or file, or use the sink kafka")
	case stream == nil || !known || c.unsure("source"):
	case stream.URL != "" && c.catalog.CheckRedis != nil:
		c.decoder.problems(c.catalog.CheckRedis(stream.URL), path+".redis_stream")
	case stream.URL == "" && (source.Redis == nil || !source.Redis(c.spec.Source.Settings)):
		c.failAt(path+".redis_stream", "the source "+source.Name+" has no Redis that could keep dead letters", "write url: redis://host:port/db in it")
	}
}

func orName(name string) string {
	if name == "" {
		return "pipeline"
	}
	return name
}
