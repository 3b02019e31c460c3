package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/penstock-io/penstock/connectors/kafka"
	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/connectors/watermill"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine/trial"
)

// besideName gives the name of the file of tests beside a pipeline file:
// user-behavior.tests.yaml beside user-behavior.yaml.
func besideName(name string) string {
	ending := filepath.Ext(name)
	return strings.TrimSuffix(name, ending) + ".tests" + ending
}

// parseTests reads pipeline files with the tests in them and beside them.
func (c Components) parseTests(names []string, read func(name string) ([]byte, error)) ([]*config.Pipeline, error) {
	pipelines, err := c.parseBy(names, read)
	if err != nil {
		return nil, err
	}
	byFile := map[string][]*config.Pipeline{}
	for _, p := range pipelines {
		byFile[p.At.File] = append(byFile[p.At.File], p)
	}
	var errs config.Errors
	for _, name := range names {
		of := byFile[name]
		if len(of) == 0 {
			continue
		}
		data, err := read(besideName(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, invalid{err}
		}
		mistakes, ok := errors.AsType[config.Errors](config.AddTests(c.catalog(), of, config.File{Name: besideName(name), Data: data}))
		if ok {
			errs = append(errs, mistakes...)
		}
	}
	for _, p := range pipelines {
		errs = append(errs, entryMistakes(p)...)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return pipelines, nil
}

// entryMistakes finds the values of tests that no entry of a stream has: Redis knows
// texts only.
func entryMistakes(p *config.Pipeline) config.Errors {
	stream, ok := p.Source.Settings.(*redis.StreamSettings)
	if !ok || stream.ValueField != "" || stream.Watermill {
		return nil
	}
	var errs config.Errors
	for _, t := range p.Tests {
		for _, given := range t.Given {
			if given.Value == nil {
				continue
			}
			fields, _ := (*given.Value).(map[string]any)
			for name, value := range fields {
				if _, ok := value.(string); !ok {
					errs = append(errs, config.Error{At: given.At, What: "the fields of an entry are texts, and " + name + " is none", Do: "put it in quotes, as Redis holds it"})
					break
				}
			}
		}
	}
	return errs
}

// sinkTopic gives the topic that records go to unless they say otherwise, empty where
// the sink has none.
func sinkTopic(p *config.Pipeline) string {
	switch to := p.Sink.Settings.(type) {
	case *kafka.SinkSettings:
		return to.Topic
	case *watermill.KafkaSinkSettings:
		return to.Topic
	case *watermill.RedisSinkSettings:
		return to.Topic
	}
	return ""
}

// tried is what a test came to.
type tried struct {
	test     config.Test
	pipeline *config.Pipeline
	// want is what the test expects, and got what came, where it looks.
	want, got string
	outcomes  []trial.Outcome
}

func (t *tried) passed() bool { return t.want == t.got }

// try carries out a test of a pipeline, through stages of its own.
func (c Components) try(ctx context.Context, p *config.Pipeline, test config.Test) (*tried, error) {
	clock := trial.NewClock()
	stages, err := c.stages(p, Environment{Log: slog.New(slog.DiscardHandler), Clock: clock.Now, Delivery: p.Delivery, Source: p.Source.Component, Trial: true})
	if err != nil {
		return nil, err
	}
	defer closeAll(stages.closers)
	outcomes, err := trial.Run(ctx, test, stages.stages, clock)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", test.At, test.Name, err)
	}
	t := &tried{test: test, pipeline: p, outcomes: outcomes}
	t.want, t.got = trial.Texts(test.Expect, outcomes, sinkTopic(p))
	return t, nil
}

// tryAll carries out every test of the pipelines.
func (c Components) tryAll(ctx context.Context, pipelines []*config.Pipeline) ([]*tried, error) {
	var all []*tried
	for _, p := range pipelines {
		for _, test := range p.Tests {
			t, err := c.try(ctx, p, test)
			if err != nil {
				return nil, err
			}
			all = append(all, t)
		}
	}
	return all, nil
}

// updateTests writes into the files what came, where a test has failed. Nothing is
// written unless every test passes then.
func (c Components) updateTests(ctx context.Context, names []string, all []*tried) (updated []*tried, err error) {
	changes := map[string][]config.Expectation{}
	for _, t := range all {
		if !t.passed() {
			file := t.test.ExpectAt.File
			changes[file] = append(changes[file], config.Expectation{At: t.test.ExpectAt, Expect: trial.Expect(t.test.Expect, t.outcomes, sinkTopic(t.pipeline))})
		}
	}
	texts := map[string][]byte{}
	for name, expectations := range changes {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if texts[name], err = config.WithExpectations(text, expectations); err != nil {
			return nil, invalid{err}
		}
	}
	again, err := c.retry(ctx, names, texts)
	if err != nil {
		return nil, err
	}
	for name, text := range texts {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(name, text, info.Mode().Perm()); err != nil {
			return nil, err
		}
	}
	return again, nil
}

// retry carries out the tests of files some of which have another text, and fails
// unless all pass.
func (c Components) retry(ctx context.Context, names []string, texts map[string][]byte) ([]*tried, error) {
	pipelines, err := c.parseTests(names, func(name string) ([]byte, error) {
		if text, ok := texts[name]; ok {
			return text, nil
		}
		return os.ReadFile(name)
	})
	var again []*tried
	if err == nil {
		again, err = c.tryAll(ctx, pipelines)
	}
	for _, t := range again {
		if !t.passed() {
			err = fmt.Errorf("%s: %s fails also with what came", t.test.At, t.test.Name)
		}
	}
	if err != nil {
		return nil, invalid{fmt.Errorf("nothing was written: the files as they would be do not pass; write expect on lines of its own, with what the difference shows\n%w", err)}
	}
	return again, nil
}
