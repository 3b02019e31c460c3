package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/pflag"

	"github.com/penstock-io/penstock/pipeline/server"
	"github.com/penstock-io/penstock/plugins/host"
)

// lastAnswers is how long a scrape that is under way may hold up the end.
const lastAnswers = time.Second

// listener serves metrics, where it is asked to.
type listener struct {
	address string
	remote  bool
	pprof   bool
}

func (l *listener) flags(flags *pflag.FlagSet) {
	flags.StringVar(&l.address, "metrics-listen", "", "serve Prometheus metrics at this address, like 127.0.0.1:9090")
	flags.BoolVar(&l.remote, "metrics-remote", false, "let --metrics-listen take an address that other machines reach; anyone there can read")
	flags.BoolVar(&l.pprof, "pprof", false, "serve Go profiles too, at /debug/pprof/ of --metrics-listen")
}

// check finds flags that do not go together.
func (l *listener) check() error {
	if l.address == "" {
		if l.pprof || l.remote {
			return errors.New("--pprof and --metrics-remote need an address; add --metrics-listen 127.0.0.1:9090")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(l.address)
	if err != nil {
		return fmt.Errorf("--metrics-listen %s is not an address; write host:port, like 127.0.0.1:9090", l.address)
	}
	ip := net.ParseIP(host)
	if loopback := host == "localhost" || ip != nil && ip.IsLoopback(); !loopback && !l.remote {
		return fmt.Errorf("--metrics-listen %s can be reached from other machines; write 127.0.0.1:%s, or add --metrics-remote", l.address, port)
	}
	return nil
}

// serve starts to serve the metrics of pipelines. The function it gives ends that.
func (l *listener) serve(running []*built, log *slog.Logger) (stop func(), err error) {
	if l.address == "" {
		return func() {}, nil
	}
	listening, err := net.Listen("tcp", l.address)
	if err != nil {
		return nil, fmt.Errorf("--metrics-listen: %w", err)
	}
	s := &http.Server{
		Handler:           l.handler(running, log),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      2 * time.Minute, // a profile takes 30 s unless told otherwise
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	log.Info("metrics", "url", "http://"+listening.Addr().String()+"/metrics")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Serve(listening); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are no longer served", "error", err.Error())
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastAnswers)
		defer cancel()
		s.Shutdown(ctx) //nolint:errcheck // what is not answered by then is cut
		s.Close()       //nolint:errcheck // the process ends
		<-ended
	}, nil
}

// handler answers at /metrics, and at /debug/pprof/ where that is asked for.
func (l *listener) handler(running []*built, log *slog.Logger) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		server.NewMetrics(time.Now, watched(running)...),
	)
	for _, b := range running {
		registry.MustRegister(append(b.memoryMetrics(), b.pluginMetrics()...)...)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), MaxRequestsInFlight: 4,
	}))
	if l.pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	}
	return mux
}

// memoryMetrics gives the figures of the transforms that remember.
func (b *built) memoryMetrics() []prometheus.Collector {
	var all []prometheus.Collector
	for _, m := range b.memories {
		labels := prometheus.Labels{"pipeline": b.name, "transform": m.transform}
		all = append(all,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "penstock_dedupe_keys", ConstLabels: labels,
				Help: "Keys that are remembered."}, func() float64 { return float64(m.Keys()) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "penstock_dedupe_evicted_total", ConstLabels: labels,
				Help: "Keys that were forgotten before their time, for want of room (max_keys)."}, func() float64 { return float64(m.Evicted()) }),
		)
	}
	return all
}

// pluginMetrics gives the figures of the plugins.
func (b *built) pluginMetrics() []prometheus.Collector {
	var all []prometheus.Collector
	for _, p := range b.plugins {
		labels := prometheus.Labels{"pipeline": b.name, "transform": p.transform}
		count := func(name, help string, of func(host.Stats) float64) {
			all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "penstock_plugin_" + name, ConstLabels: labels, Help: help}, func() float64 { return of(p.Stats()) }))
		}
		count("calls_total", "Calls of the plugin, those that failed too.", func(s host.Stats) float64 { return float64(s.Calls) })
		count("records_total", "Records that the plugin was given, those of calls that failed too.", func(s host.Stats) float64 { return float64(s.Records) })
		count("seconds_total", "Time that calls have taken, all together.", func(s host.Stats) float64 { return s.Seconds })
		count("restarts_total", "Processes that took the place of one that was gone.", func(s host.Stats) float64 { return float64(s.Restarts) })
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "penstock_plugin_memory_bytes", ConstLabels: labels,
			Help: "Resident memory of the plugin's processes; 0 where the system does not tell."}, func() float64 { return float64(p.Stats().Memory) }))
	}
	return all
}

func watched(running []*built) []server.Pipeline {
	var all []server.Pipeline
	for _, b := range running {
		all = append(all, server.Pipeline{Name: b.name, Snapshot: b.engine.Stats().Snapshot, State: b.engine.State})
	}
	return all
}
