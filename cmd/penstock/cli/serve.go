package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/penstock-io/penstock/pipeline/server"
)

// serveSettings are the flags of penstock serve.
type serveSettings struct {
	dir, store string
	allow      []string
	shutdown   time.Duration
	options    server.Options
}

func newServe(c Components) *cobra.Command {
	var s serveSettings
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a server: many pipelines, from a folder and over an API",
		Long: `Run a server: many pipelines, from a folder and over an API.

--dir names a folder of pipeline files. Files that are added, saved or removed are followed
without losing a record; while one is wrong, what runs of it goes on. Over the API, at
/v1, pipelines are added, changed, paused, resumed, stopped, restarted and removed; those
are kept in --store, and so is which ones were paused or stopped. /openapi.json describes
the API, /metrics is for Prometheus, /health/live and /health/ready are for who watches.

Without more flags it answers to this machine alone, and to everybody on it. --tokens names a
file of tokens, which penstock token new makes; then every request but those for health needs
one. Other machines are let in by --remote, which asks for tokens and TLS.

Text that comes over the API may read ${file:…}, and name files and programs, of the folders
that --allow names alone.`,
		Example: "  penstock serve --dir /etc/penstock/pipelines\n  penstock serve --listen :8083 --remote --tokens tokens --tls-cert server.pem --tls-key server-key.pem",
		Args:    takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(s.options.Check(), notNegative("--shutdown", s.shutdown)); err != nil {
				return invalid{err}
			}
			s.options.Version = builtFrom().Version
			s.options.Level = new(slog.LevelVar)
			s.options.Logs = server.NewLogs(newHandler(cmd.ErrOrStderr(), isTerminal(cmd.ErrOrStderr()), s.options.Level))
			s.options.Log = slog.New(s.options.Logs)
			return c.serve(cmd.Context(), s)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&s.dir, "dir", "", "a folder of pipeline files")
	flags.StringVar(&s.options.Listen, "listen", "127.0.0.1:8083", "where to answer")
	flags.StringVar(&s.store, "store", "penstock.db", "a file for the pipelines of the API, and for what was paused or stopped")
	flags.StringSliceVar(&s.allow, "allow", nil, "a folder whose files and programs text of the API may name; may be given again")
	flags.StringVar(&s.options.Tokens, "tokens", "", "a file of tokens (penstock token new); every request needs one then")
	flags.BoolVar(&s.options.Remote, "remote", false, "let --listen take an address that other machines reach")
	flags.BoolVar(&s.options.Plain, "plain", false, "with --remote: no TLS here; something before this server sees to it")
	flags.StringVar(&s.options.CertFile, "tls-cert", "", "the certificate of the server, PEM")
	flags.StringVar(&s.options.KeyFile, "tls-key", "", "the key of that certificate, PEM")
	flags.StringSliceVar(&s.options.Hosts, "host", nil, "a name that the server goes by, beside localhost and its addresses; may be given again")
	flags.BoolVar(&s.options.Pprof, "pprof", false, "serve Go profiles too, at /debug/pprof/")
	flags.DurationVar(&s.shutdown, "shutdown", 20*time.Second, "how long a stop may settle what is under way")
	return cmd
}

// serve runs the server until ctx ends.
func (c Components) serve(ctx context.Context, s serveSettings) error {
	log := s.options.Log
	tracer, stopTracing, err := startTracing(ctx, log)
	if err != nil {
		return err
	}
	defer stopTracing()
	m := &serverMaker{components: c, variables: os.LookupEnv, settings: runSettings{shutdown: s.shutdown},
		env: Environment{Log: log, Stdin: strings.NewReader(""), Stdout: nil, Clock: time.Now, Tracer: tracer}}
	for _, folder := range s.allow {
		path, err := filepath.EvalSymlinks(folder)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return invalid{fmt.Errorf("--allow: %w", err)}
		}
		m.allowed = append(m.allowed, path)
	}
	store, err := server.OpenBolt(s.store)
	if err != nil {
		return invalid{fmt.Errorf("--store: %w", err)}
	}
	defer store.Close() //nolint:errcheck // what was put there is on the disk
	s.options.Desk = m
	set := server.NewSet(m, store, log)
	served, err := server.Serve(set, s.options)
	if err != nil {
		return invalid{err}
	}
	defer served.Close()
	log.Info("the server answers", "url", served.URL)
	began := time.Now()
	err = set.Load(ctx)
	if err == nil {
		err = c.follow(ctx, set, s.dir, func() {
			served.Ready()
			log.Info("the pipelines were started", "pipelines", len(set.All()), "seconds", time.Since(began).Seconds())
		})
	}
	return errors.Join(err, closeSet(ctx, set, s.shutdown+grace))
}

// follow runs what a folder says until ctx ends; without one it waits for that.
func (c Components) follow(ctx context.Context, set *server.Set, dir string, ready func()) error {
	if dir == "" {
		ready()
		<-ctx.Done()
		return nil
	}
	if err := set.Follow(ctx, dir, ready); err != nil {
		return invalid{fmt.Errorf("--dir: %w", err)}
	}
	return nil
}

// closeSet stops all pipelines, which have until the deadline.
func closeSet(ctx context.Context, set *server.Set, deadline time.Duration) error {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		set.Close()
	}()
	select {
	case <-closed:
		return nil
	case <-expired(ctx, deadline):
		return stopTook(deadline)
	}
}
