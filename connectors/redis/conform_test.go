//go:build unix

package redis

import (
	"context"
	"fmt"
	"strings"
	"testing"

	stock "github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream"
	"github.com/ThreeDotsLabs/watermill/message"

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
}

// TestStreamSourcesConform: read by position or in a group, entries with a field for the
// value, objects of all fields, or Watermill messages. Of two consumers that one is read by which all comes.
func TestStreamSourcesConform(t *testing.T) {
	items := numbers(0, 100)
	messages := func(s *StreamSettings) { s.Watermill, s.ValueField = true, "" }
	objects := func(s *StreamSettings) { s.ValueField = "" }
	two := func(s *StreamSettings) { s.Group.Consumers = 2 }
	for name, c := range map[string]struct {
		messages bool
		source   func(s *streamTest) pipeline.Source
		shared   bool
	}{
		"stream":                {false, func(s *streamTest) pipeline.Source { return s.source(s.itsKey) }, false},
		"objects":               {false, func(s *streamTest) pipeline.Source { return s.source(s.itsKey, objects) }, false},
		"messages":              {true, func(s *streamTest) pipeline.Source { return s.source(s.itsKey, messages) }, false},
		"objects in a group":    {false, func(s *streamTest) pipeline.Source { return s.group("", named("worker"), objects) }, true},
		"group":                 {false, func(s *streamTest) pipeline.Source { return s.group("", named("worker")) }, true},
		"messages in a group":   {true, func(s *streamTest) pipeline.Source { return s.group("", named("worker"), messages) }, true},
		"one of two in a group": {false, func(s *streamTest) pipeline.Source { return firstShard{s.group("", named("worker"), two)} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			values := items
			if strings.HasPrefix(name, "objects") {
				values = asObjects(items)
			}
			conform.Source(t, conform.SourceCase{Values: values, Shared: c.shared, Fresh: func(t *testing.T) pipeline.Source {
				s := newStreamTest(t)
				if c.messages {
					s.addMessages(items...)
				} else {
					s.add(1, items...)
				}
				return c.source(s)
			}})
		})
	}
}

func (s *streamTest) itsKey(settings *StreamSettings) { settings.Keys = []string{s.key} }

// asObjects gives entries of one field as they are read without a field for the value.
func asObjects(items []string) []string {
	objects := make([]string, len(items))
	for i, item := range items {
		objects[i] = fmt.Sprintf(`{"v":%q}`, item)
	}
	return objects
}

// addMessages adds Watermill messages, as the stock publisher writes them.
func (s *streamTest) addMessages(payloads ...string) {
	s.t.Helper()
	pub, err := stock.NewPublisher(stock.PublisherConfig{Client: s.place.newClient()}, nil)
	must(s.t, err)
	for i, payload := range payloads {
		m := message.NewMessage(fmt.Sprint("uuid ", i), []byte(payload))
		if i%2 == 0 {
			m.Metadata.Set("sent by", "the stock publisher")
		}
		must(s.t, pub.Publish(s.key, m))
	}
	must(s.t, pub.Close())
}

// firstShard shows one shard of a source, as the suite wants it.
type firstShard struct{ pipeline.Source }

func (f firstShard) Shards(ctx context.Context) ([]string, error) {
	all, err := f.Source.Shards(ctx)
	return all[:min(len(all), 1)], err
}

func newStreamTest(t *testing.T) *streamTest {
	t.Helper()
	p := places(t)[0]
	return &streamTest{t: t, place: p, redis: p.client(t), key: pipelinetest.Name(t)}
}
