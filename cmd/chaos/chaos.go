package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// options are the flags.
type options struct {
	seed   uint64
	only   string
	from   []string
	long   bool
	events int
	json   bool
	out    string
	readme string
	tags   string // of the binary; empty: points
}

// sizes say how much is done.
type sizes struct {
	kills  int // of Penstock, at random moments
	fells  int // of a plugin, in all
	nth    int // how often a named point is met before it kills, at most
	rounds int // how often each fault comes
	events int // of a pipeline that is killed, at least
	away   time.Duration
	oom    time.Duration
	soak   time.Duration
	arrive time.Duration // for everything, after the last fault, at most
	short  bool
}

func (o options) sizes() sizes {
	s := sizes{short: true, kills: 2, fells: 20, nth: 4, rounds: 1, away: 12 * time.Second, oom: 4 * time.Second, soak: time.Minute}
	if o.long {
		s = sizes{kills: 100, fells: 1000, nth: 20, rounds: 5, events: 1_000_000, away: 10 * time.Minute, oom: time.Minute, soak: 20 * time.Minute}
	}
	if o.events > 0 {
		s.events = o.events
	}
	s.arrive = 3 * time.Minute
	return s
}

// chaos is what the scenarios share.
type chaos struct {
	options  options
	sizes    sizes
	world    *world
	binary   string
	dir      string
	progress progress
}

// runChaos runs the scenarios that are selected, and reports.
func runChaos(ctx context.Context, o options, stdout io.Writer) error {
	selected, err := o.selected()
	if err != nil {
		return err
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1e9) + 1
	}
	found, err := newReport(o)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "chaos: seed %d\n", o.seed)
	c, err := newChaos(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(c.dir) }()
	found.Penstock = penstockVersion(c.binary)
	for _, s := range selected {
		rows, err := c.scenario(ctx, s)
		c.progress.clear()
		if err != nil && ctx.Err() == nil {
			rows = s.inVain(o, err)
			err = c.startAnew(ctx)
		}
		found.Rows = append(found.Rows, rows...)
		if !o.json {
			_, written := io.WriteString(stdout, found.rowsText(rows))
			err = errors.Join(err, written)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("%s: %w; again: %s", s.name, err, found.again(Row{Scenario: s.name, Seed: o.seed})), c.close())
		}
	}
	found.Redis, found.Kafka = c.world.versions(ctx)
	if err := c.close(); err != nil {
		return err
	}
	return found.finish(stdout)
}

// longRate is how many events a second come in the long form where there must be many.
const longRate = 5000

// selected gives the scenarios that --only names; without it all of the length.
func (o options) selected() ([]scenario, error) {
	only, err := regexp.Compile("^(" + o.only + ")$")
	if err != nil {
		return nil, fmt.Errorf("--only: %w", err)
	}
	var found []scenario
	for _, s := range scenarios {
		if len(o.from) > 0 {
			s.shapes = slices.DeleteFunc(slices.Clone(s.shapes), func(of shape) bool { return !slices.Contains(o.from, string(of)) })
		}
		if o.long && s.counted {
			s.rate = longRate
		}
		if len(s.shapes) > 0 && (o.only == "" && (o.long || !s.long) || o.only != "" && only.MatchString(s.name)) {
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("--only %s --from %v: nothing matches; there are\n%s", o.only, o.from, describeAll())
	}
	return found, nil
}

// newChaos builds Penstock and starts the servers. The caller closes it.
func newChaos(ctx context.Context, o options) (*chaos, error) {
	c := &chaos{options: o, sizes: o.sizes(), progress: newProgress()}
	var err error
	if c.dir, err = os.MkdirTemp("", "penstock-chaos-"); err != nil {
		return nil, err
	}
	c.progress.say("building Penstock")
	if c.binary, err = buildPenstock(ctx, c.dir, o.tags); err == nil {
		_, err = build(ctx, c.dir, "redact", "plugins/examples/redact")
	}
	if err == nil {
		c.progress.say("starting Redis and three Kafka brokers")
		c.world, err = startWorld(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.dir))
	}
	return c, nil
}

// startAnew gives the scenarios that follow servers to which nothing was done.
func (c *chaos) startAnew(ctx context.Context) error {
	c.progress.say("starting Redis and three Kafka brokers again")
	if err := c.world.stop(); err != nil {
		return fmt.Errorf("stopping the servers: %w", err)
	}
	c.world = &world{}
	w, err := startWorld(ctx)
	if err != nil {
		return fmt.Errorf("starting the servers again: %w", err)
	}
	c.world = w
	return nil
}

// close stops the servers.
func (c *chaos) close() error {
	c.progress.clear()
	return c.world.stop()
}

// buildPenstock builds the binary, with the points at which it can be killed.
func buildPenstock(ctx context.Context, dir, tags string) (string, error) {
	if tags == "" {
		tags = "points"
	}
	return build(ctx, dir, "penstock", "cmd/penstock", "-tags", tags)
}

// build builds a command of this module, and gives its path.
func build(ctx context.Context, dir, name, command string, flags ...string) (string, error) {
	path := filepath.Join(dir, name)
	args := append([]string{"build", "-buildvcs=auto", "-o", path}, flags...)
	out, err := exec.CommandContext(ctx, "go", append(args, "github.com/penstock-io/penstock/"+command)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building %s: %w:\n%s", name, err, out)
	}
	return path, nil
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
