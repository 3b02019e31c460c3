package main

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/penstock-io/penstock/cmd/bench/measure"
	"github.com/penstock-io/penstock/cmd/bench/report"
)

// row is one way to move events.
type row struct {
	name    string
	title   string
	shape   measure.Shape
	promise string
	guess   int // records a second, to size the first run
	command func(*bench, work) (name string, args []string, err error)
}

// work is what one run moves.
type work struct {
	shape  measure.Shape
	key    string // of the stream or list, and the name of the pipeline
	topic  string
	events int
}

const (
	exactlyOnce = "exactly once"
	atLeastOnce = "at least once"
)

// rows lists what is compared, in the order of the tables.
var rows = []row{
	{"penstock-stream", "Penstock", measure.Stream, exactlyOnce, 400_000, runPenstock(plain)},
	{"penstock-chain", "Penstock, filter → dedupe → set", measure.Stream, exactlyOnce, 200_000, runPenstock(chain)},
	{"penstock-plugin", "Penstock, with a plugin in Go that does nothing", measure.Stream, exactlyOnce, 200_000, runPenstock(idler)},
	{"penstock-serve", "Penstock, as one pipeline of a server", measure.Stream, exactlyOnce, 400_000, runServer},
	{"penstock-python", "Penstock, with a plugin in Python that does nothing", measure.Stream, exactlyOnce, 30_000, runPenstock(snake)},
	{"stream-step", "loop by hand, step by step", measure.Stream, exactlyOnce, 300_000, runMover("stream-step")},
	{"stream-pipelined", "loop by hand, pipelined, in a Watermill router", measure.Stream, exactlyOnce, 400_000, runMover("stream-pipelined")},
	{"stream-stock", "stock watermill-redisstream → watermill-kafka", measure.Stream, atLeastOnce, 1_400, runMover("stream-stock")},
	{"penstock-group", "Penstock, by consumer group", measure.Stream, atLeastOnce, 200_000, runPenstock(group)},
	{"stream-group", "loop by hand, by consumer group", measure.Stream, atLeastOnce, 200_000, runMover("stream-group")},
	{"penstock-list", "Penstock", measure.List, exactlyOnce, 600_000, runPenstock(plain)},
	{"list-step", "loop by hand, step by step", measure.List, exactlyOnce, 500_000, runMover("list-step")},
	{"list-pipelined", "loop by hand, pipelined, in a Watermill router", measure.List, exactlyOnce, 700_000, runMover("list-pipelined")},
	{"list-article", "the article's script in Python", measure.List, atLeastOnce, 10_000, runArticle},
}

func (r row) report() report.Row {
	return report.Row{Name: r.name, Title: r.title, From: string(r.shape), Promise: r.promise}
}

// runPenstock moves with the built binary, until the source is drained.
func runPenstock(way way) func(*bench, work) (string, []string, error) {
	return func(b *bench, w work) (string, []string, error) {
		file, err := b.pipeline(w, way)
		return b.penstock.binary, []string{"run", file, "--until-drained"}, err
	}
}

// runMover moves with one of package movers, in a process of its own.
func runMover(mover string) func(*bench, work) (string, []string, error) {
	return func(b *bench, w work) (string, []string, error) {
		self, err := os.Executable()
		return self, []string{
			"mover", mover, "--redis", b.redis.Addr(), "--brokers", b.kafka.Addr(), "--key", w.key,
			"--topic", w.topic, "--events", strconv.Itoa(w.events), "--compression", b.options.compression,
		}, err
	}
}

// runServer moves with a server that has one pipeline, until that has moved all.
func runServer(b *bench, w work) (string, []string, error) {
	file, err := b.pipeline(w, plain)
	if err != nil {
		return "", nil, err
	}
	dir := filepath.Join(filepath.Dir(file), w.key+".serve")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", nil, err
	}
	if err := os.Rename(file, filepath.Join(dir, "pipeline.yaml")); err != nil {
		return "", nil, err
	}
	self, err := os.Executable()
	return self, []string{"server-mover", b.penstock.binary, dir, w.key, strconv.Itoa(w.events)}, err
}

func runArticle(b *bench, w work) (string, []string, error) {
	return b.article.python, []string{b.article.script, b.redis.Addr(), b.kafka.Addr(), w.key, w.topic}, nil
}
