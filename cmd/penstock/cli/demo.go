package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/cmd/penstock/demo"
	"github.com/penstock-io/penstock/configs"
	"github.com/penstock-io/penstock/connectors/kafka"
	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline/config"
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
into a list, and the pipeline of ` + demoFile + ` that moves them, until
Ctrl-C.

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
	if err := d.build(cmd.Context(), c, Environment{Log: log, Stdin: cmd.InOrStdin(), Stdout: cmd.OutOrStdout(), Clock: time.Now}); err != nil {
		return err
	}
	defer d.pipeline.close()
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
	pipeline *built
	shop     *demo.Shop
	arrivals *demo.Arrivals
}

// build makes the parts, which start nothing yet: the pipeline from its file as
// any other, with the servers' addresses in its environment.
func (d *show) build(ctx context.Context, c Components, env Environment) error {
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
	d.list, d.topic = from.Keys[0], to.Topic
	if d.shop, err = demo.NewShop(d.servers.RedisURL, d.list, uint64(d.started.UnixNano())); err != nil { //nolint:gosec // any number will do
		return invalid{err}
	}
	if d.arrivals, err = demo.NewArrivals(ctx, to.Brokers, d.topic); err != nil {
		return invalid{err}
	}
	d.pipeline, err = c.build(pipelines[0], env, runSettings{shutdown: demoRest})
	return err
}

// figures gives what is shown now.
func (d *show) figures() demo.Figures {
	return demo.Figures{
		Pipeline: d.pipeline.name, List: d.list, Topic: d.topic, Servers: d.servers, Elapsed: time.Since(d.started),
		State: d.pipeline.engine.State(), Engine: d.pipeline.engine.Stats().Snapshot(),
		Pushed: d.shop.Pushed(), Arrived: d.arrivals.Count(), Last: d.arrivals.Last(), Notes: d.notes.Lines(),
	}
}

// run runs all parts until the view or the pipeline ends, or ctx does. Then the
// shop closes first, so that what it has pushed can arrive.
func (d *show) run(ctx context.Context, view func(context.Context) error) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	shopping, closeShop := context.WithCancel(context.WithoutCancel(ctx))
	moving, stopMoving := context.WithCancel(context.WithoutCancel(ctx))
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer closeShop()
	defer stopMoving()
	defer stopWatching()

	var shop, pipeline, arrivals errgroup.Group
	shop.Go(func() error { d.shop.Run(shopping); return nil })
	arrivals.Go(func() error { d.arrivals.Run(watching); return nil })
	pipeline.Go(func() error {
		defer end()
		return d.pipeline.engine.Run(moving)
	})
	viewed := view(ctx)
	closeShop()
	shop.Wait() //nolint:errcheck // it has none
	until(moving, func() bool { return d.pipeline.engine.Stats().Snapshot().Read >= d.shop.Pushed() })
	stopMoving()
	failed := pipeline.Wait()
	until(watching, func() bool { return d.arrivals.Count() >= d.pipeline.engine.Stats().Snapshot().Written })
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
