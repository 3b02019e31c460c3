package server_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
