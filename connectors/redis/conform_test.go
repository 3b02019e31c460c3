//go:build unix

package redis

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

// TestSourcesConform at a server of each subtest's own where it is in this process:
// the suite counts goroutines.
func TestSourcesConform(t *testing.T) {
	items := numbers(0, 100)
	for by := range pushes {
		t.Run(by, func(t *testing.T) {
			conform.Source(t, conform.SourceCase{Values: items, Fresh: func(t *testing.T) pipeline.Source {
				p := places(t)[0]
				l := &listTest{t: t, place: p, by: by, redis: p.client(t), key: pipelinetest.Name(t)}
				l.push(items...)
				return l.source(func(s *ListSettings) { s.Keys = []string{l.key} })
			}})
		})
	}
	t.Run("stream", func(t *testing.T) {
		conform.Source(t, conform.SourceCase{Values: items, Fresh: func(t *testing.T) pipeline.Source {
			s := newStreamTest(t)
			s.add(1, items...)
			return s.source(func(settings *StreamSettings) { settings.Keys = []string{s.key} })
		}})
	})
	t.Run("group", func(t *testing.T) {
		conform.Source(t, conform.SourceCase{Values: items, Shared: true, Fresh: func(t *testing.T) pipeline.Source {
			s := newStreamTest(t)
			s.add(1, items...)
			return s.group("", named("worker"))
		}})
	})
}

func newStreamTest(t *testing.T) *streamTest {
	t.Helper()
	p := places(t)[0]
	return &streamTest{t: t, place: p, redis: p.client(t), key: pipelinetest.Name(t)}
}
