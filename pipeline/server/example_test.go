package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/pipeline/server"
)

// The figures of an engine, as Prometheus asks for them.
func ExampleNewMetrics() {
	e := engine.New(engine.Config{Name: "shop", Log: slog.New(slog.DiscardHandler)}) // it has not run yet
	registry := prometheus.NewRegistry()
	registry.MustRegister(server.NewMetrics(time.Now, server.Pipeline{Name: "shop", Snapshot: e.Stats().Snapshot, State: e.State}))

	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "penstock_state") {
			fmt.Print(line)
		}
	}
	// Output:
	// penstock_state{pipeline="shop",state="degraded"} 0
	// penstock_state{pipeline="shop",state="failed"} 0
	// penstock_state{pipeline="shop",state="paused"} 0
	// penstock_state{pipeline="shop",state="running"} 0
	// penstock_state{pipeline="shop",state="standby"} 0
	// penstock_state{pipeline="shop",state="starting"} 1
	// penstock_state{pipeline="shop",state="stopped"} 0
}

// maker makes pipelines of generated events that go nowhere. Who runs a server has one that
// knows more components.
type maker struct{ log *slog.Logger }

// catalog is what files may name.
var catalog = &config.Catalog{
	Sources: []config.Component{{Name: "generate", Doc: "Generated events.", Example: "generate: {}\n", Best: pipeline.AtLeastOnce,
		Settings: func() any { return new(local.GenerateSettings) }}},
	Sinks: []config.Component{{Name: "drop", Doc: "Nowhere.", Example: "drop: {}\n", Best: pipeline.AtLeastOnce}},
}

// Parse reads a file.
func (m maker) Parse(_ context.Context, file config.File, _ bool) ([]*config.Pipeline, error) {
	return config.Parse(catalog, config.Lookup{}, file)
}

// Make makes a pipeline that can run.
func (m maker) Make(p *config.Pipeline) (*server.Job, error) {
	source, sink := local.NewGenerate(*p.Source.Settings.(*local.GenerateSettings)), local.NewDrop(local.DropSettings{})
	e := engine.New(engine.Config{
		Name: p.Name, Instance: "example", Source: source, SourceKeepsPosition: true, Sink: sink,
		Batch: pipeline.Limit{Records: 1000, Bytes: 4 << 20}, Window: engine.Window{Batches: 64, Bytes: 64 << 20},
		CommitEvery: 50 * time.Millisecond, CommitRecords: 100_000, Shutdown: 20 * time.Second, Log: m.log,
	})
	return &server.Job{Route: "generate → drop", Engine: e, Source: source, Sink: sink, Run: e.Run, Close: func() {
		if err := errors.Join(source.Close(), sink.Close()); err != nil {
			m.log.Error("closing", "error", err.Error())
		}
	}}, nil
}

// Components gives what there is.
func (maker) Components() []server.Component { return nil }

// Explain has nothing to say.
func (maker) Explain(*config.Pipeline) (any, error) { return nil, nil }

const shop = "name: shop\nsource:\n  generate: {events: 5, users: 1}\nsink:\n  drop: {}\ndelivery: at_least_once\n"

// A set runs pipelines, each on its own. This one ends with its source.
func ExampleNewSet() {
	log := slog.New(slog.DiscardHandler)
	set := server.NewSet(maker{log}, &server.Memory{}, log)
	defer set.Close()
	ctx := context.Background()
	status, err := set.Create(ctx, []byte(shop), server.Running)
	for err == nil && status.State != server.Stopped {
		time.Sleep(10 * time.Millisecond)
		status, err = set.Status("shop")
	}
	fmt.Println(status.Name, status.State, status.Figures.Written, err)

	_, err = set.Create(ctx, []byte(shop), server.Running)
	fmt.Println(err)
	fmt.Println(set.Delete("shop", 0), len(set.All()))
	// Output:
	// shop STOPPED 5 <nil>
	// there is a pipeline shop already, from api
	// <nil> 0
}

// The pipelines of a set are driven over HTTP.
func ExampleServe() {
	log := slog.New(slog.DiscardHandler)
	set := server.NewSet(maker{log}, &server.Memory{}, log)
	defer set.Close()
	served, err := server.Serve(set, server.Options{Listen: "127.0.0.1:0", Log: log, Version: "1.0.0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer served.Close()
	served.Ready()

	answer, err := http.Get(served.URL + "/health/ready")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status)
	// Output: 200 OK
}

// The newest lines of each pipeline's log can be followed; all go on to another handler.
func ExampleNewLogs() {
	logs := server.NewLogs(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	log := slog.New(logs)
	log.With("pipeline", "shop").Info("the pipeline runs")
	options := server.Options{Listen: "127.0.0.1:0", Log: log, Logs: logs} // for Serve
	fmt.Println(options.Check())
	// Output:
	// level=INFO msg="the pipeline runs" pipeline=shop
	// <nil>
}

// What was put there is there after a restart.
func ExampleOpenBolt() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the directory is temporary
	for range 2 {
		store, err := server.OpenBolt(filepath.Join(dir, "penstock.db"))
		if err != nil {
			fmt.Println(err)
			return
		}
		all, err := store.All()
		fmt.Println(len(all), err, store.Put(server.Stored{Name: "shop", Text: shop, Wanted: server.Running}), store.Close())
	}
	// Output:
	// 0 <nil> <nil> <nil>
	// 1 <nil> <nil> <nil>
}

// A token is given once, to its owner.
func ExampleNewToken() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the directory is temporary
	token, err := server.NewToken(filepath.Join(dir, "tokens"), "grafana", server.ReadOnly)
	fmt.Println(strings.HasPrefix(token, "penstock_"), err)
	_, err = server.NewToken(filepath.Join(dir, "tokens"), "eve", "admin")
	fmt.Println(err)
	// Output:
	// true <nil>
	// there is no role "admin"; write read-only or operator
}

// A file of tokens tells whose they are, and not the tokens.
func ExampleReadTokens() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the directory is temporary
	file := filepath.Join(dir, "tokens")
	if _, err := server.NewToken(file, "ada", server.Operator); err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := server.ReadTokens(file)
	fmt.Println(tokens[0].Name, tokens[0].Role, err)
	// Output: ada operator <nil>
}
