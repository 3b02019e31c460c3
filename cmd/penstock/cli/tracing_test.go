package cli

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestTraces: a run sends spans where the variables of OpenTelemetry say, and records go out
// with their context.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	var got bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(r.Body); err != nil {
				t.Error(err)
				return
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if _, err := io.Copy(&got, body); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	e := pipelinetest.Embedded(t)
	e.Redis.Push("events", `{"n":1}`, `{"n":2}`) //nolint:errcheck // the run tells
	drained(t, file(t, strings.ReplaceAll(listPipeline(e, "shop", "events"), "user:hunter2@", "")), `"written":2`)
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"penstock shop", "penstock.shard", "service.name"} {
		if !bytes.Contains(got.Bytes(), []byte(want)) {
			t.Errorf("there is no %s in what was sent: %q", want, got.String())
		}
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1") // nobody is there: the records go all the same
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	e.Redis.Push("events", `{"n":3}`) //nolint:errcheck // the run tells
	drained(t, file(t, strings.ReplaceAll(listPipeline(e, "shop", "events"), "user:hunter2@", "")), `"written":1`)
}
