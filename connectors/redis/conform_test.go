//go:build unix

package redis

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func TestSourcesConform(t *testing.T) {
	items := numbers(0, 100)
	for by := range pushes {
		t.Run(by, func(t *testing.T) {
			each(t, func(t *testing.T, p place) {
				pipelinetest.ConformSource(t, pipelinetest.SourceCase{Values: items, Fresh: func(t *testing.T) pipeline.Source {
					l := &listTest{t: t, place: p, by: by, redis: p.client(t), key: pipelinetest.Name(t)}
					l.push(items...)
					return l.source(func(s *ListSettings) { s.Keys = []string{l.key} })
				}})
			})
		})
	}
	t.Run("stream", func(t *testing.T) {
		eachStream(t, func(t *testing.T, s *streamTest) {
			pipelinetest.ConformSource(t, pipelinetest.SourceCase{Values: items, Fresh: func(t *testing.T) pipeline.Source {
				own := &streamTest{t: t, place: s.place, redis: s.redis, key: pipelinetest.Name(t)}
				own.add(1, items...)
				return own.source(func(s *StreamSettings) { s.Keys = []string{own.key} })
			}})
		})
	})
}
