package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
)

// Options say how a set of pipelines is served.
type Options struct {
	Listen string // host:port
	// Remote lets Listen be an address that other machines reach; TLS and tokens are asked
	// for then, unless Plain says that something before it sees to TLS.
	Remote, Plain     bool
	CertFile, KeyFile string   // PEM; empty: no TLS
	Tokens            string   // a file of tokens; empty: nobody needs one
	Hosts             []string // names that the server goes by, beside localhost and addresses
	Pprof             bool     // profiles too, for who is on this machine
	Version           string   // of Penstock
	Log               *slog.Logger
	Level             *slog.LevelVar // of Log; /admin/loggers changes it
	Logs              *Logs          // the handler of Log; nil: no log can be followed
	Desk              Desk           // nil: there are no operations on records
}

// Check finds options that do not go together, and that would let strangers in.
func (o *Options) Check() error {
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("--listen %s is not an address; write host:port, like 127.0.0.1:8083", o.Listen)
	}
	if (o.CertFile == "") != (o.KeyFile == "") {
		return errors.New("--tls-cert and --tls-key go together; write both")
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	switch {
	case !o.Remote:
		return fmt.Errorf("--listen %s can be reached from other machines; write 127.0.0.1:%s, or add --remote", o.Listen, port)
	case o.Tokens == "":
		return errors.New("--remote lets everybody in who reaches the address; add --tokens FILE (penstock token new makes them)")
	case o.CertFile == "" && !o.Plain:
		return errors.New("--remote sends tokens and records over the network; add --tls-cert and --tls-key, or --plain where something before it sees to TLS")
	case o.Pprof:
		return errors.New("--pprof is for an address of this machine alone; leave it out, or write --listen 127.0.0.1:" + port)
	}
	return nil
}

// The limits of connections.
const (
	maxConnections = 256
	headerPatience = 5 * time.Second
	bodyPatience   = 30 * time.Second
	idlePatience   = 2 * time.Minute
	maxHeader      = 16 << 10
	lastAnswers    = time.Second
)

// Server answers for a set of pipelines.
type Server struct {
	set     *Set
	options Options
	ready   atomic.Bool
	http    *http.Server
	ended   chan struct{}
	closing chan struct{} // closed when it is to end: what never ends, ends
	address string
	URL     string // where it listens
}

// Serve begins to answer. The caller closes the server; the set stays his. The error is that
// it cannot listen.
func Serve(set *Set, o Options) (*Server, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile); err != nil {
			return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
	}
	listening, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	if o.Logs != nil {
		set.gone = o.Logs.forget
	}
	s := &Server{set: set, options: o, ended: make(chan struct{}), closing: make(chan struct{}), address: listening.Addr().String()}
	var keys *keyring
	if o.Tokens != "" {
		keys = &keyring{file: o.Tokens}
	}
	routes, err := s.routes(keys)
	if err != nil {
		return nil, errors.Join(err, listening.Close())
	}
	s.http = &http.Server{
		Handler:           newGuard(routes, keys, o.Hosts),
		ReadHeaderTimeout: headerPatience, ReadTimeout: bodyPatience, IdleTimeout: idlePatience,
		WriteTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	scheme := "http"
	serve := func() error { return s.http.Serve(netutil.LimitListener(listening, maxConnections)) }
	if o.CertFile != "" {
		scheme = "https"
		serve = func() error {
			return s.http.ServeTLS(netutil.LimitListener(listening, maxConnections), o.CertFile, o.KeyFile)
		}
	}
	s.URL = scheme + "://" + s.address
	go func() {
		defer close(s.ended)
		if err := serve(); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("the server no longer answers", "error", err.Error())
		}
	}()
	return s, nil
}

// Ready says that the pipelines were started: /health/ready tells so from then on.
func (s *Server) Ready() { s.ready.Store(true) }

// Close ends the answers that are under way, after a moment.
func (s *Server) Close() {
	s.ready.Store(false)
	close(s.closing)
	ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
	defer cancel()
	s.http.Shutdown(ctx) //nolint:errcheck // what is not answered by then is cut
	s.http.Close()       //nolint:errcheck // as above
	<-s.ended
}

func well(w http.ResponseWriter) { io.WriteString(w, "ok\n") } //nolint:errcheck // who asked is gone

// routes are what it answers.
func (s *Server) routes(keys *keyring) (http.Handler, error) {
	mux := http.NewServeMux()
	(&API{set: s.set, version: s.options.Version, desks: s.options.Desk, logs: s.options.Logs, closing: s.closing}).register(mux)
	c := &connect{set: s.set, desk: s.options.Desk, version: s.options.Version, worker: s.address, ready: s.ready.Load, level: s.options.Level}
	c.register(mux)
	p, err := newPage(keys, s.options.CertFile != "", dispatch(map[string]deed{"GET": c.root, "HEAD": c.root}))
	if err != nil {
		return nil, err
	}
	p.register(mux)
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) { well(w) })
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, _ *http.Request) {
		if !s.ready.Load() {
			http.Error(w, "pipelines are being started, or stopped", http.StatusServiceUnavailable)
			return
		}
		well(w)
	})
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), s.set)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(s.options.Log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4,
	}))
	if s.options.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux, nil
}
