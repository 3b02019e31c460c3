package local

import (
	"strings"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func TestSourcesConform(t *testing.T) {
	events := shopEvents(100)
	for name, fresh := range sources {
		t.Run(name, func(t *testing.T) {
			pipelinetest.ConformSource(t, events, func(t *testing.T) pipeline.Source { return fresh(t, events) })
		})
	}
}

func TestSinksConform(t *testing.T) {
	for name, fresh := range lineSinks {
		t.Run(name, func(t *testing.T) {
			pipelinetest.ConformSink(t, pipelinetest.SinkCase{Fresh: func(t *testing.T) (pipeline.Sink, func(t *testing.T) []string) {
				sink, content := fresh(t)
				return sink, func(*testing.T) []string {
					text := content()
					if text == "" {
						return nil
					}
					return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
				}
			}})
		})
	}
}
