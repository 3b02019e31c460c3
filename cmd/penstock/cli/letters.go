package cli

import (
	"fmt"

	"github.com/penstock-io/penstock/connectors/kafka"
	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
)

// deadLetters gives where the dead letters of a pipeline go, and nothing where it has
// none. checkPipeline sees to it that a pipeline has one place only.
func deadLetters(p *config.Pipeline) (place config.DeadLetter) {
	eachOnError(p, func(o config.OnError, _ config.Place) {
		if o.Then == "dead_letter" && o.DeadLetter != nil {
			place = *o.DeadLetter
		}
	})
	return place
}

// eachOnError calls yield for each on_error of a pipeline, with what it belongs to.
func eachOnError(p *config.Pipeline, yield func(config.OnError, config.Place)) {
	yield(p.OnError, p.At)
	for _, step := range p.Transforms {
		if step.OnError != nil {
			yield(*step.OnError, step.At)
		}
	}
}

// sinkLetters gives the topic of the dead letters that the sink keeps, empty where it
// keeps none.
func sinkLetters(p *config.Pipeline) string {
	if place := deadLetters(p); place.Kafka != nil {
		return place.Kafka.Topic
	}
	return ""
}

// letterPlace is where dead letters are written and read, beside the sink.
type letterPlace interface {
	pipeline.DeadLetterWriter
	pipeline.DeadLetterReader
}

// letters makes the place where dead letters are kept beside the sink; nil: there is
// none. It connects to nobody.
func (c Components) letters(p *config.Pipeline, env Environment) (letterPlace, error) {
	switch place := deadLetters(p); {
	case place.RedisStream != nil:
		kept, err := redis.NewDeadLetters(c.redisOf(p, place.RedisStream.URL), place.RedisStream.Stream, p.Name, env.Log)
		if err != nil {
			return nil, err
		}
		return kept, nil
	case place.File != nil:
		kept, err := local.NewDeadLetters(place.File.Path, p.Name)
		if err != nil {
			return nil, err
		}
		return kept, nil
	}
	return nil, nil
}

// whereTo names a place of dead letters to people.
func whereTo(d config.DeadLetter) string {
	switch {
	case d.RedisStream != nil:
		return "stream " + d.RedisStream.Stream
	case d.File != nil:
		return "file " + d.File.Path
	case d.Kafka != nil:
		return "topic " + d.Kafka.Topic
	}
	return "nowhere"
}

// checkPipeline finds what only the binary knows to be impossible.
func checkPipeline(p *config.Pipeline) config.Errors {
	var errs config.Errors
	var first *config.DeadLetter
	eachOnError(p, func(o config.OnError, at config.Place) {
		if o.Then != "dead_letter" || o.DeadLetter == nil {
			return
		}
		what, do := deadLetterFault(p, *o.DeadLetter)
		if what == "" && first != nil && whereTo(*first) != whereTo(*o.DeadLetter) {
			what = fmt.Sprintf("dead letters would go to %s and to %s: a pipeline has one place for them", whereTo(*first), whereTo(*o.DeadLetter))
			do = "write the same one; each letter says which stage has refused it"
		}
		if what != "" {
			errs = append(errs, config.Error{At: at, What: what, Do: do})
			return
		}
		first = o.DeadLetter
	})
	return errs
}

// deadLetterFault tells why dead letters cannot go to a place, and what to write; both
// are empty where they can.
func deadLetterFault(p *config.Pipeline, place config.DeadLetter) (what, do string) {
	mixed := ""
	switch {
	case place.Kafka != nil:
		if what, do := kafka.TopicFault(place.Kafka.Topic); what != "" {
			return fmt.Sprintf("dead letters would go to topic %q: %s", place.Kafka.Topic, what), do
		}
		if own := sinkTopic(p); place.Kafka.Topic == own {
			mixed = own
		}
	case place.RedisStream != nil:
		if from, ok := p.Source.Settings.(*redis.StreamSettings); ok && from.Reads(place.RedisStream.Stream) {
			return fmt.Sprintf("dead letters would go to stream %s, which the source reads", place.RedisStream.Stream), "write a stream that keys do not name, nor match"
		}
	case place.File != nil:
		if to, ok := p.Sink.Settings.(*local.FileSinkSettings); ok && to.Path == place.File.Path {
			mixed = to.Path
		}
	}
	if mixed != "" {
		return fmt.Sprintf("dead letters would go to %s, among the records that are well", mixed), "write one of their own, like " + mixed + "_dead"
	}
	return "", ""
}
