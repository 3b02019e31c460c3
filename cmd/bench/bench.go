package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/cmd/bench/measure"
	"github.com/penstock-io/penstock/cmd/bench/report"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

const (
	defaultUsers = 10_000
	seed         = 1
	partitions   = 4
)

// options are the flags.
type options struct {
	runs        int
	seconds     float64
	only        string
	quick       bool
	compression string
	out         string
}

// bench is what the measurements share.
type bench struct {
	options  options
	selected *regexp.Regexp
	sizes    sizes
	redis    *pipelinetest.Redis
	kafka    *pipelinetest.Kafka
	client   *redis.Client
	topics   *measure.Kafka
	penstock *penstock // nil: nothing selected needs it
	article  *article  // nil: nothing selected needs it
	python   []string  // the command of a plugin in Python; empty: nothing selected needs it
	dir      string    // for files, removed at the end
	made     int       // names made so far
	warmUps  int       // latency runs that may still come before the first that counts
	progress progress
}

// sizes say how much is measured.
type sizes struct {
	waiting     int           // events for the memory at full speed
	paused      time.Duration // how long Kafka is stopped
	latency     time.Duration // how long events are pushed
	starts      int
	idle        time.Duration
	calibration float64 // seconds
	fewer       int     // times fewer messages for the Pub/Subs
	format      time.Duration
	pipelines   int // of a server
}

var (
	fullSizes = sizes{
		waiting: 1_000_000, paused: time.Minute, latency: 20 * time.Second,
		starts: 10, idle: 10 * time.Second, calibration: 2, fewer: 1, format: time.Second, pipelines: 1000,
	}
	quickSizes = sizes{
		waiting: 100_000, paused: 5 * time.Second, latency: 4 * time.Second,
		starts: 3, idle: 2 * time.Second, calibration: 0.2, fewer: 20, format: 5 * time.Millisecond, pipelines: 20,
	}
)

// runBench measures what is selected and writes the results.
func runBench(ctx context.Context, o options, stdout io.Writer) (err error) {
	b, err := newBench(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	var found report.Report
	if err := b.measure(ctx, &found); err != nil {
		return err
	}
	b.progress.clear()
	found.Header = b.header(ctx)
	found.Judge()
	if err := found.WriteTable(stdout); err != nil {
		return err
	}
	if err := writeFiles(o.out, &found); err != nil {
		return err
	}
	for _, row := range found.Rows {
		if !row.Verdict().Clean() {
			return fmt.Errorf("%s: lost/doubled/disordered/corrupt %s", row.Name, row.Verdict())
		}
	}
	return nil
}

// newBench starts the servers and makes ready what is selected. The caller
// closes it.
func newBench(ctx context.Context, o options) (_ *bench, err error) {
	selected, err := regexp.Compile(o.only)
	if err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	b := &bench{options: o, selected: selected, sizes: fullSizes, progress: newProgress(), warmUps: mostWarmUps}
	if o.quick {
		b.sizes = quickSizes
		b.options.runs, b.options.seconds = 1, min(o.seconds, 1)
	}
	if !b.selects(allNames()...) {
		return nil, fmt.Errorf("--only %s: nothing matches; there are\n%s", o.only, namesOfAll())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if b.dir, err = os.MkdirTemp("", "penstock-bench-"); err != nil {
		return nil, err
	}
	if err := b.build(ctx); err != nil {
		return nil, err
	}
	return b, b.startServers(ctx)
}

// build makes ready what is to be measured.
func (b *bench) build(ctx context.Context) (err error) {
	if b.selects(penstockNames()...) {
		b.progress.say("building Penstock")
		if b.penstock, err = newPenstock(ctx, b.dir); err != nil {
			return err
		}
	}
	if b.selects("list-article") {
		b.progress.say("making a venv for the article's script")
		if b.article, err = newArticle(ctx, b.options.out, b.dir); err != nil {
			return err
		}
	}
	if b.selects("penstock-python", "plugins") {
		b.progress.say("making a venv for the plugin in Python")
		b.python, err = newPythonPlugin(ctx, b.options.out, b.dir)
	}
	return err
}

func (b *bench) startServers(ctx context.Context) (err error) {
	b.progress.say("starting Redis and Kafka")
	if b.redis, err = pipelinetest.StartRedis(ctx, pipelinetest.RedisOptions{}); err != nil {
		return err
	}
	b.client = redis.NewClient(&redis.Options{Addr: b.redis.Addr()})
	if b.kafka, err = pipelinetest.StartKafka(ctx, pipelinetest.KafkaOptions{
		// Deleted topics give their disk back between the runs, not a minute later.
		Properties: map[string]string{"log.segment.delete.delay.ms": "1000"},
	}); err != nil {
		return err
	}
	b.topics, err = measure.NewKafka([]string{b.kafka.Addr()})
	return err
}

// close stops the servers and removes the files.
func (b *bench) close() error {
	b.progress.clear()
	var errs []error
	if b.topics != nil {
		b.topics.Close()
	}
	if b.client != nil {
		errs = append(errs, b.client.Close())
	}
	if b.kafka != nil {
		errs = append(errs, b.kafka.Stop())
	}
	if b.redis != nil {
		errs = append(errs, b.redis.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(b.dir))...)
}

// measure fills the report.
func (b *bench) measure(ctx context.Context, found *report.Report) (err error) {
	if found.Rows, err = b.throughput(ctx); err != nil {
		return err
	}
	for _, s := range situations {
		if !b.selects(s.name) {
			continue
		}
		b.progress.say("%s", s.name)
		if err := s.measure(b, ctx, found); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// selects tells whether --only names one of them.
func (b *bench) selects(names ...string) bool {
	return slices.ContainsFunc(names, b.selected.MatchString)
}

// newWork names a fresh key and topic, and makes the topic.
func (b *bench) newWork(ctx context.Context, name string, shape measure.Shape, events int) (work, error) {
	b.made++
	unique := fmt.Sprintf("bench-%s-%d", name, b.made)
	w := work{shape: shape, key: unique, topic: unique, events: events}
	return w, b.topics.CreateTopic(ctx, w.topic, partitions)
}

// fill pushes the work's events.
func (b *bench) fill(ctx context.Context, w work) error {
	return measure.Fill{Shape: w.shape, Key: w.key, Users: defaultUsers, Seed: seed, Events: w.events}.Run(ctx, b.client, nil)
}

// discard removes the work's key and topic.
func (b *bench) discard(ctx context.Context, w work) error {
	return errors.Join(b.client.Unlink(ctx, w.key).Err(), b.topics.DeleteTopic(ctx, w.topic))
}

// pipeline writes a pipeline file for the work and returns its name.
func (b *bench) pipeline(w work, way way) (string, error) {
	command, err := b.command(way)
	if err != nil {
		return "", err
	}
	plugin := ""
	if len(command) > 0 {
		text, err := json.Marshal(command)
		if err != nil {
			return "", err
		}
		plugin = string(text)
	}
	return b.penstock.write(pipelineFile{
		Name: w.key, Shape: w.shape, RedisURL: b.redis.URL(), Key: w.key, Broker: b.kafka.Addr(),
		Topic: w.topic, Compression: b.options.compression, Way: way, Plugin: plugin,
	})
}

func writeFiles(dir string, found *report.Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, write := range map[string]func(io.Writer) error{"bench.json": found.WriteJSON, "bench.svg": found.WriteSVG} {
		file, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := errors.Join(write(file), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// allNames are what --only chooses from.
func allNames() []string {
	var names []string
	for _, r := range rows {
		names = append(names, r.name)
	}
	for _, s := range situations {
		names = append(names, s.name)
	}
	return names
}

// penstockNames are those that need the binary.
func penstockNames() []string {
	var names []string
	for _, name := range allNames() {
		if !strings.HasPrefix(name, "stream-") && !strings.HasPrefix(name, "list-") && !strings.HasPrefix(name, "pubsub-") {
			names = append(names, name)
		}
	}
	return names
}

func namesOfAll() string { return "  " + strings.Join(allNames(), "\n  ") }
