package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/cmd/bench/measure"
	"github.com/penstock-io/penstock/cmd/bench/report"
	"github.com/penstock-io/penstock/pipeline/server"
)

// idlePipeline is one of a thousand: from a list of its own, exactly once, with a transform.
const idlePipeline = `name: idle-%[1]d
source: {redis_list: {url: "%[2]s", keys: [idle-%[1]d]}, format: json}
transforms: [filter: value.action == "buy"]
sink: {kafka: {brokers: ["%[3]s"], topic: bench-idle, create_topic: {partitions: 1}}}
`

// serving is a server of the benchmark.
type serving struct {
	process *measure.Process
	url     string
	dir     string // of the pipelines
}

// serverCommand runs a server until a pipeline of it has moved so many records: what a mover
// is to the benchmark.
func serverCommand() *cobra.Command {
	return &cobra.Command{
		Use: "server-mover PENSTOCK FOLDER PIPELINE EVENTS", Hidden: true, Args: cobra.ExactArgs(4),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			events, err := strconv.ParseUint(args[3], 10, 64)
			if err != nil {
				return err
			}
			s := &serving{dir: args[1]}
			if err := s.start(args[0], filepath.Join(args[1], "store.db")); err != nil {
				return err
			}
			err = s.until(cmd.Context(), 20*time.Millisecond, func(all []server.Status) bool {
				return len(all) == 1 && all[0].Figures.Written >= events
			})
			_, stopped := s.process.Stop(cmd.Context())
			return errors.Join(err, stopped)
		},
	}
}

// serve starts a server with so many pipelines, and returns when all of them run.
func (b *bench) serve(ctx context.Context, pipelines int) (*serving, error) {
	home, err := os.MkdirTemp(b.dir, "serve-")
	if err != nil {
		return nil, err
	}
	s := &serving{dir: filepath.Join(home, "pipelines")}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		return nil, err
	}
	for i := range pipelines {
		if err := s.write(i, fmt.Sprintf(idlePipeline, i, b.redis.URL(), b.kafka.Addr())); err != nil {
			return nil, err
		}
	}
	if err := s.start(b.penstock.binary, filepath.Join(home, "store.db")); err != nil {
		return nil, err
	}
	return s, s.until(ctx, 50*time.Millisecond, func(all []server.Status) bool {
		running := 0
		for _, one := range all {
			if one.State == server.Running {
				running++
			}
		}
		return running == pipelines
	})
}

// start starts the process.
func (s *serving) start(penstock, store string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.url = "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	s.process, err = measure.Start(penstock, "serve", "--dir", s.dir, "--listen", strings.TrimPrefix(s.url, "http://"), "--store", store)
	return err
}

func (s *serving) write(pipeline int, text string) error {
	return os.WriteFile(filepath.Join(s.dir, fmt.Sprintf("idle-%d.yaml", pipeline)), []byte(text), 0o600)
}

// serveLimit is how long a server may take to start its pipelines.
const serveLimit = 2 * time.Minute

// until asks what the pipelines do until that is as it should be.
func (s *serving) until(ctx context.Context, every time.Duration, holds func([]server.Status) bool) error {
	ctx, cancel := context.WithTimeout(ctx, serveLimit)
	defer cancel()
	for {
		all, err := s.list(ctx)
		if err == nil && holds(all) {
			return nil
		}
		select {
		case <-s.process.Exited():
			_, err := s.process.Wait(ctx)
			return errors.Join(errors.New("the server has ended"), err)
		case <-ctx.Done():
			return fmt.Errorf("the server's pipelines: %w", ctx.Err())
		case <-time.After(every):
		}
	}
}

func (s *serving) list(ctx context.Context) ([]server.Status, error) {
	text, err := s.get(ctx, "")
	if err != nil {
		return nil, err
	}
	var found struct {
		Pipelines []server.Status `json:"pipelines"`
	}
	err = json.Unmarshal(text, &found)
	return found.Pipelines, err
}

// get asks for all pipelines, or for "/" and the name of one.
func (s *serving) get(ctx context.Context, one string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/pipelines"+one, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	return io.ReadAll(answer.Body)
}

// apiCalls is how many answers the API is judged by.
const apiCalls = 300

// p99 gives how long answers take, in milliseconds.
func (s *serving) p99(ctx context.Context, one string) (float64, error) {
	var took []float64
	for range apiCalls {
		began := time.Now()
		if _, err := s.get(ctx, one); err != nil {
			return 0, err
		}
		took = append(took, float64(time.Since(began))/float64(time.Millisecond))
	}
	return report.Quantile(took, 0.99), nil
}

// pagePolls is how often an open page asks.
const pagePolls = 2 * time.Second

// look asks as an open page does, until ctx ends.
func (s *serving) look(ctx context.Context) {
	for sleep(ctx, pagePolls) == nil {
		s.get(ctx, "") //nolint:errcheck // nobody looks at it
	}
}

// server measures one with many idle pipelines, beside one with none.
func (b *bench) server(ctx context.Context, found *report.Report) error {
	none, err := b.serverOf(ctx, 0, func(*serving) error { return nil })
	if err != nil {
		return err
	}
	n := b.sizes.pipelines
	disturbed := 0
	var asked report.Server
	many, err := b.serverOf(ctx, n, func(s *serving) (err error) {
		if asked, err = b.asked(ctx, s); err == nil {
			disturbed, err = s.disturbs(ctx, b.redis.URL(), b.kafka.Addr())
		}
		return err
	})
	if err != nil {
		return err
	}
	many.Pipelines, many.Bytes, many.Disturbed = n, (many.Bytes-none.Bytes)/float64(n), disturbed
	many.Page, many.ListP99, many.OneP99 = asked.Percent-many.Percent, asked.ListP99, asked.OneP99
	found.Server = &many
	return nil
}

// serverOf measures a server: Bytes is all that it takes.
func (b *bench) serverOf(ctx context.Context, pipelines int, after func(*serving) error) (found report.Server, err error) {
	s, err := b.serve(ctx, pipelines)
	if s == nil || s.process == nil {
		return found, err
	}
	defer func() {
		_, stopped := s.process.Stop(ctx)
		err = errors.Join(err, stopped)
	}()
	if err != nil {
		return found, err
	}
	found.Seconds = time.Since(s.process.Started()).Seconds()
	used, err := b.cpuWhileIdle(ctx, s.process)
	if err != nil {
		return found, err
	}
	found.Percent = 100 * used.Seconds() / b.sizes.idle.Seconds()
	memory, err := s.process.Memory()
	found.Bytes = float64(memory)
	return found, errors.Join(err, after(s))
}

// asked measures a server whose page is open, and how fast it answers: Percent is all that it
// takes of a core.
func (b *bench) asked(ctx context.Context, s *serving) (found report.Server, err error) {
	looking, stop := context.WithCancel(ctx)
	var page sync.WaitGroup
	page.Go(func() { s.look(looking) })
	used, err := b.cpuWhileIdle(ctx, s.process)
	stop()
	page.Wait()
	if err != nil {
		return found, err
	}
	found.Percent = 100 * used.Seconds() / b.sizes.idle.Seconds()
	if found.ListP99, err = s.p99(ctx, ""); err == nil {
		found.OneP99, err = s.p99(ctx, "/idle-0")
	}
	return found, err
}

// disturbs changes a pipeline, and counts the others that were begun anew.
func (s *serving) disturbs(ctx context.Context, redis, kafka string) (int, error) {
	before, err := s.list(ctx)
	if err != nil || len(before) == 0 {
		return 0, err
	}
	since := map[string]time.Time{}
	for _, one := range before {
		since[one.Name] = one.Since
	}
	if err := s.write(0, fmt.Sprintf(idlePipeline, 0, redis, kafka)+"window: {batches: 3}\n"); err != nil {
		return 0, err
	}
	n := 0
	err = s.until(ctx, 50*time.Millisecond, func(all []server.Status) bool {
		n = 0
		changed := false
		for _, one := range all {
			switch {
			case one.Name == "idle-0":
				changed = one.Revision == 2 && one.State == server.Running
			case !one.Since.Equal(since[one.Name]):
				n++
			}
		}
		return changed
	})
	return n, err
}
