//go:build e2e && unix

package cli

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/twmb/avro"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// TestFormatsWhileTheRegistryIsAway: packed items of a list go to Avro by a registry. While
// that is away the pipeline waits for it, with its items in Redis; no record is to blame,
// although on_error drops; and when it is back, each is delivered once, in order.
func TestFormatsWhileTheRegistryIsAway(t *testing.T) {
	t.Parallel()
	const items = 300
	const schema = `{"type":"record","name":"Event","fields":[{"name":"n","type":"long"},{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}}]}`
	var down atomic.Bool
	registry := srfake.New()
	t.Cleanup(registry.Close)
	registry.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return down.Load()
	})
	id, _, err := registry.RegisterSchema("events-value", sr.Schema{Schema: schema})
	must(t, err)

	j := newJob(t, "redis_list")
	j.path = filepath.Join(t.TempDir(), "pipeline.yaml")
	must(t, os.WriteFile(j.path, fmt.Appendf(nil, `name: %s
source:
  redis_list: {url: "redis://%s/0", keys: [%s]}
  format: {gzip: json}
sink:
  kafka: {brokers: [%q], topic: %s, create_topic: {partitions: 1, replicas: 1}}
  format: {avro: {registry: {url: %q}, subject: events-value}}
on_error: {then: drop}
`, j.name, j.redis, j.keys[0], j.kafka, j.name, registry.URL()), 0o600))
	for i := range items {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		fmt.Fprintf(w, `{"n":%d,"price":12.50}`, i) //nolint:errcheck // Close would say it
		must(t, w.Close())
		must(t, j.client().RPush(t.Context(), j.keys[0], packed.Bytes()).Err())
	}
	down.Store(true)
	c := j.start()
	c.Await(soon, "the schema registry: subject events-value: it answered 503")
	if n := j.client().LLen(t.Context(), j.keys[0]).Val(); n != items {
		t.Errorf("%d of %d items are left while the registry is away", n, items)
	}
	down.Store(false)
	j.emptied(soon)
	stopped(t, c)

	plan := avro.MustParse(schema)
	arrived := j.arrived(j.name, items)
	if len(arrived) != items {
		t.Fatalf("%d of %d records arrived", len(arrived), items)
	}
	for i, r := range arrived {
		event := map[string]any{}
		head := []byte{0, 0, 0, 0, byte(id)}
		if !bytes.HasPrefix(r.Value, head) {
			t.Fatalf("record %d begins with %x, want %x", i, r.Value[:5], head)
		}
		if _, err := plan.Decode(r.Value[5:], &event); err != nil || event["n"] != int64(i) {
			t.Fatalf("record %d holds %v: %v", i, event, err)
		}
	}
}
