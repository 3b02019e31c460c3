//go:build unix

package cli

import (
	"io"
	"testing"
	"time"

	"github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
	"github.com/penstock-io/penstock/transforms"
)

// TestStoresConform: transforms that keep, or find, in Redis what they know, at a server
// of each subtest's own: the suite counts goroutines.
func TestStoresConform(t *testing.T) {
	for name, fresh := range map[string]func(env Environment) (pipeline.Transform, error){
		"dedupe": func(env Environment) (pipeline.Transform, error) {
			return dedupe(env, dedupeSettings{transforms.DedupeSettings{Key: "value.action", Within: time.Minute}, &claimSettings{Name: "shop"}})
		},
		"lookup": func(env Environment) (pipeline.Transform, error) {
			return lookup(env, lookupSettings{transforms.LookupSettings{By: "value.action", Into: "value.what", Missing: "refuse"}, &hashSettings{Hash: "actions", Values: "json"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			conform.Transform(t, conform.TransformCase{Fill: actions, Fresh: func(t *testing.T) pipeline.Transform {
				e := pipelinetest.Embedded(t)
				e.Redis.HSet("actions", "buy", `{"a":1}`)
				transform, err := fresh(Environment{Log: quiet(), Clock: time.Now, Lasting: byLife, Redis: &redis.Connection{URL: pipeline.Secret("redis://" + e.RedisAddr + "/0")}})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := transform.(io.Closer).Close(); err != nil {
						t.Error(err)
					}
				})
				return transform
			}})
		})
	}
}

// actions fills a batch with what a table has, a duplicate of it, and what it has not.
func actions(b *pipeline.Batch) {
	for _, text := range []string{`{"action":"buy"}`, `{"action":"view"}`, `{"action":"buy"}`, `{"other":"without any field that is asked for"}`} {
		r := b.Add()
		r.Time = time.UnixMilli(1_700_000_000_000)
		if v, err := b.Document(b.Arena.Copy([]byte(text))); err == nil {
			r.Value = v
		}
	}
}
