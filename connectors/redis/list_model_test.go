//go:build unix

package redis

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// model is the protocol of lists beside a sink that commits, with everything
// that can come between. Items are all different.
type model struct {
	t      *rapid.T
	list   *listTest
	source *ListSource
	reader pipeline.Reader // nil: crashed
	next   int             // number of the next item

	committed *pipeline.Position // what Kafka knows
	delivered []string           // in committed transactions
	open      []string           // in the open one
	after     pipeline.Position  // of the open one; zero: nothing is read
	popped    map[string]bool    // by another client
	gap       bool               // it has halted
}

// TestListModel: whatever happens, each item is delivered once, in order, or was
// popped by another client; or the reader has said that there is a gap.
func TestListModel(t *testing.T) {
	p := places(t)[0]
	client := p.client(t)
	for by := range pushes {
		t.Run(by, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				l := &listTest{t: t, place: p, by: by, redis: client, key: pipelinetest.Name(t)}
				m := &model{t: rt, list: l, source: l.source(), popped: map[string]bool{}}
				rt.Repeat(map[string]func(*rapid.T){
					"push":           m.push,
					"read":           m.read,
					"commit":         m.commit,
					"settle":         m.settle,
					"lose an answer": m.settleBesides,
					"rewind":         m.rewind,
					"crash":          m.crash,
					"foreign pop":    m.pop,
					"":               m.check,
				})
				m.finish()
			})
		})
	}
}

// up opens the reader, where there is none.
func (m *model) up() bool {
	if m.reader != nil || m.gap {
		return m.reader != nil
	}
	r, err := m.source.Open(m.list.t.Context(), pipeline.OpenRequest{Shard: m.list.key, From: m.committed})
	if m.isGap(err) {
		return false
	}
	m.must(err)
	start := r.Start()
	m.reader, m.committed = r, &start // the engine commits where it starts
	return true
}

func (m *model) isGap(err error) bool {
	if err != nil && pipeline.ClassOf(err) == pipeline.Gap {
		m.gap = true
		m.crash(m.t)
	}
	return err != nil && m.gap
}

func (m *model) must(err error) {
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) push(t *rapid.T) {
	n := rapid.IntRange(1, 8).Draw(t, "items")
	m.list.push(numbers(m.next, m.next+n)...)
	m.next += n
}

func (m *model) read(t *rapid.T) {
	if !m.up() {
		return
	}
	until := time.Now().Add(3 * time.Millisecond)
	ctx, cancel := context.WithDeadline(m.list.t.Context(), until)
	defer cancel()
	limit := pipeline.Limit{Records: rapid.IntRange(1, 5).Draw(t, "records"), Bytes: 1 << 20}
	b, err := tryRead(ctx, m.reader, limit)
	switch {
	case m.isGap(err):
	case err != nil && time.Now().Before(until): // a dial may see the deadline before its context does
		t.Fatal(err)
	case err == nil && b.Read > 0:
		m.open, m.after = append(m.open, values(b)...), b.After
	}
}

func (m *model) commit(*rapid.T) {
	if m.after == (pipeline.Position{}) {
		return
	}
	m.delivered = append(m.delivered, m.open...)
	after := m.after
	m.committed, m.open, m.after = &after, nil, pipeline.Position{}
}

func (m *model) settle(*rapid.T) {
	if m.up() {
		if err := m.reader.Settle(m.list.t.Context(), *m.committed); !m.isGap(err) {
			m.must(err)
		}
	}
}

// settleBesides trims without the reader knowing, as when the answer to its
// script was lost.
func (m *model) settleBesides(*rapid.T) {
	if m.reader == nil {
		return
	}
	ghost, err := m.source.Open(m.list.t.Context(), pipeline.OpenRequest{Shard: m.list.key, From: m.committed})
	if !m.isGap(err) {
		m.must(err)
		m.must(ghost.Close())
	}
}

func (m *model) rewind(*rapid.T) {
	if m.reader == nil {
		return
	}
	m.open, m.after = nil, pipeline.Position{}
	m.must(m.reader.Rewind(*m.committed))
}

func (m *model) crash(*rapid.T) {
	if m.reader != nil {
		m.must(m.reader.Close())
	}
	m.reader, m.open, m.after = nil, nil, pipeline.Position{}
}

// pop takes what another client would get.
func (m *model) pop(t *rapid.T) {
	if rapid.IntRange(0, 5).Draw(t, "rarely") > 0 || m.list.length() == 0 {
		return
	}
	pop := m.list.redis.LPop
	if m.list.by == "lpush" {
		pop = m.list.redis.RPop
	}
	item, err := pop(t.Context(), m.list.key).Result()
	m.must(err)
	m.popped[item] = true
}

// check: what is delivered is in order, each once, and nothing is missing in
// between but what another client has got.
func (m *model) check(t *rapid.T) {
	at := 0
	for _, item := range numbers(0, m.next) {
		switch {
		case at < len(m.delivered) && m.delivered[at] == item:
			at++
		case at < len(m.delivered) && !m.popped[item]:
			t.Fatalf("%q is missing in %q", item, m.delivered)
		}
	}
	if at < len(m.delivered) {
		t.Fatalf("%q came again, or out of order, in %q", m.delivered[at], m.delivered)
	}
}

// finish drains what is left: everything has arrived then, or a gap was told.
func (m *model) finish() {
	for range 10_000 {
		if m.gap || !m.up() {
			break
		}
		if m.list.length() == 0 && m.after == (pipeline.Position{}) {
			break
		}
		m.read(m.t)
		m.commit(m.t)
		m.settle(m.t)
	}
	m.check(m.t)
	m.crash(m.t)
	if m.gap {
		if len(m.popped) == 0 {
			m.t.Fatal("a gap was told, and nobody has popped")
		}
		return
	}
	for _, item := range numbers(0, m.next) {
		if !m.popped[item] && !slices.Contains(m.delivered, item) {
			m.t.Fatalf("%q was lost without a word; delivered %q", item, m.delivered)
		}
	}
}
