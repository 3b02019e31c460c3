package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/cmd/penstock/demo"
	"github.com/penstock-io/penstock/configs"
	"github.com/penstock-io/penstock/connectors/kafka"
	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline/config"
	"github.com/penstock-io/penstock/pipeline/engine"
	"github.com/penstock-io/penstock/pipeline/server"
)

const (
	demoFile = "configs/user-behavior.yaml"
	// demoRest is how long what was pushed last may take to arrive at the end.
	demoRest = 2 * time.Second
)

func newDemo(c Components) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "See it run: embedded Redis and Kafka, a pretend shop, a pipeline",
		Long: `See it run: a Redis and a Kafka in the process, a pretend shop that pushes events
into a list, and a server with the pipeline of ` + demoFile + ` that moves
them, until Ctrl-C. Its page, whose address is shown, is that of penstock serve: look at
records on their way, pause the pipeline, change it, add others.

With REDIS_URL or KAFKA_BROKERS set it uses those servers instead, and writes to
the list user_behavior and the topic user_behavior_topic there.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runDemo(cmd) },
	}
}

func (c Components) runDemo(cmd *cobra.Command) error {
	servers, err := demo.StartServers(os.Getenv("REDIS_URL"), os.Getenv("KAFKA_BROKERS"))
	if err != nil {
		return err
	}
	defer servers.Close()
	screen := isTerminal(cmd.OutOrStdout()) && isTerminal(cmd.InOrStdin()) && os.Getenv("TERM") != "dumb"
	d := show{servers: servers, notes: demo.NewNotes(), started: time.Now()}
	log := newLogger(cmd.ErrOrStderr(), isTerminal(cmd.ErrOrStderr()))
	if screen {
		log = slog.New(d.notes)
	}
	logs := server.NewLogs(log.Handler())
	if err := d.build(cmd.Context(), c, slog.New(logs)); err != nil {
		return err
	}
	if err := d.serve(logs, cmd.OutOrStdout()); err != nil {
		return err
	}
	defer d.page.Close()
	failed := d.run(cmd.Context(), func(ctx context.Context) error {
		if screen {
			return demo.View(ctx, cmd.InOrStdin(), cmd.OutOrStdout(), d.figures)
		}
		return demo.Plain(ctx, cmd.OutOrStdout(), time.Second, d.figures)
	})
	_, err = fmt.Fprintln(cmd.OutOrStdout(), d.figures().Summary())
	return errors.Join(failed, err)
}

// show is a demo with all its parts.
type show struct {
	servers  *demo.Servers
	notes    *demo.Notes
	started  time.Time
	list     string
	topic    string
	name     string // of the pipeline
	desk     *serverMaker
	set      *server.Set
	page     *server.Server
	engine   *engine.Engine // of the pipeline's newest run
	shop     *demo.Shop
	arrivals *demo.Arrivals
}

// build makes the parts, which start nothing yet: the pipeline from its file as
// any other, with the servers' addresses in its environment.
func (d *show) build(ctx context.Context, c Components, log *slog.Logger) error {
	addresses := map[string]string{"REDIS_URL": d.servers.RedisURL, "KAFKA_BROKERS": d.servers.Brokers}
	lookup := func(name string) (string, bool) {
		if address, ok := addresses[name]; ok {
			return address, true
		}
		return os.LookupEnv(name)
	}
	pipelines, err := c.parseFiles(lookup, config.File{Name: demoFile, Data: configs.UserBehavior})
	if err != nil {
		return err
	}
	from, ok := pipelines[0].Source.Settings.(*redis.ListSettings)
	to, also := pipelines[0].Sink.Settings.(*kafka.SinkSettings)
	if !ok || !also {
		return fmt.Errorf("%s does not move a list to Kafka", demoFile)
	}
	d.list, d.topic, d.name = from.Keys[0], to.Topic, pipelines[0].Name
	if d.shop, err = demo.NewShop(d.servers.RedisURL, d.list, uint64(d.started.UnixNano())); err != nil { //nolint:gosec // any number will do
		return invalid{err}
	}
	if d.arrivals, err = demo.NewArrivals(ctx, to.Brokers, d.topic); err != nil {
		return invalid{err}
	}
	d.desk = &serverMaker{components: c, variables: lookup, settings: runSettings{shutdown: demoRest},
		env: Environment{Log: log, Stdin: strings.NewReader(""), Clock: time.Now}}
	d.set = server.NewSet(d.desk, &server.Memory{}, log)
	return nil
}

// demoPort is where the page is, unless somebody else has it.
const demoPort = "127.0.0.1:8083"

// serve begins to answer, and tells where the page is.
func (d *show) serve(logs *server.Logs, out io.Writer) (err error) {
	o := server.Options{Listen: demoPort, Version: builtFrom().Version, Log: slog.New(logs), Level: new(slog.LevelVar), Logs: logs, Desk: d.desk}
	if d.page, err = server.Serve(d.set, o); err != nil {
		o.Listen = "127.0.0.1:0"
		if d.page, err = server.Serve(d.set, o); err != nil {
			return err
		}
	}
	d.page.Ready()
	return writeLine(out, "the page is at %s\n", d.page.URL)
}

// figures gives what is shown now.
func (d *show) figures() demo.Figures {
	state, moved := d.moved()
	return demo.Figures{
		Pipeline: d.name, List: d.list, Topic: d.topic, Servers: d.servers, Page: d.page.URL, Elapsed: time.Since(d.started), State: state, Engine: moved,
		Pushed: d.shop.Pushed(), Arrived: d.arrivals.Count(), Last: d.arrivals.Last(), Notes: d.notes.Lines(),
	}
}

// moved gives what the pipeline does, and has done in its newest run.
func (d *show) moved() (engine.State, engine.Snapshot) {
	if e := d.set.Engine(d.name); e != nil {
		d.engine = e
	}
	if d.engine == nil {
		return engine.State{Name: engine.Starting}, engine.Snapshot{}
	}
	return d.engine.State(), d.engine.Stats().Snapshot()
}

// run runs all parts until the view ends, or ctx does. Then the shop closes first, so that what it has pushed can arrive.
func (d *show) run(ctx context.Context, view func(context.Context) error) error {
	if _, err := d.set.Create(ctx, configs.UserBehavior, server.Running); err != nil {
		return err
	}
	shopping, closeShop := context.WithCancel(context.WithoutCancel(ctx))
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer closeShop()
	defer stopWatching()

	var shop, arrivals errgroup.Group
	shop.Go(func() error { d.shop.Run(shopping); return nil })
	arrivals.Go(func() error { d.arrivals.Run(watching); return nil })
	viewed := view(ctx)
	closeShop()
	shop.Wait() //nolint:errcheck // it has none
	read := func(n uint64) bool { _, moved := d.moved(); return moved.Read >= n }
	until(watching, func() bool { return read(d.shop.Pushed()) })
	var failed error
	if now, err := d.set.Status(d.name); err == nil && now.State == server.Failed {
		failed = errors.New(now.Reason)
	}
	d.set.Close()
	until(watching, func() bool { _, moved := d.moved(); return d.arrivals.Count() >= moved.Written })
	stopWatching()
	arrivals.Wait() //nolint:errcheck // it has none
	return errors.Join(viewed, failed)
}

// until waits until something is so, but not for long.
func until(ctx context.Context, so func() bool) {
	ctx, cancel := context.WithTimeout(ctx, demoRest)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !so() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}
