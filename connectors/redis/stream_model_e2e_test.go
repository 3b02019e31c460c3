//go:build e2e && unix

package redis

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// streamModel is the reading of a stream beside a sink that commits, with everything
// that can come between. Values are all different.
type streamModel struct {
	t      *rapid.T
	stream *streamTest
	source *StreamSource
	reader pipeline.Reader // nil: crashed
	next   int             // number of the next entry

	committed *pipeline.Position // what Kafka knows
	delivered []string           // in committed transactions
	open      []string           // in the open one
	after     pipeline.Position  // of the open one; zero: nothing is read
	removed   map[string]bool    // by somebody else, read or not
	before    map[string]bool    // of these, what was gone before the first opening
	anew      bool               // the stream was deleted and made again
	blind     bool               // and nothing that it says of itself can tell
	gap       error              // it has halted
}

// TestStreamModel: whatever happens, each entry is delivered once, in order, or was
// removed by somebody else before it was; then the reader says so, and how many they
// were, as soon as it has caught up. Where nothing was removed unread, it never halts.
func TestStreamModel(t *testing.T) {
	p := places(t)[0]
	client := p.client(t)
	for trim, change := range map[string]func(*StreamSettings){"trims": trims, "keeps": func(*StreamSettings) {}} {
		t.Run(trim, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				s := &streamTest{t: t, place: p, redis: client, key: pipelinetest.Name(t)}
				m := &streamModel{t: rt, stream: s, source: s.source(change), removed: map[string]bool{}}
				rt.Repeat(map[string]func(*rapid.T){
					"add":     m.add,
					"read":    m.read,
					"commit":  m.commit,
					"settle":  m.settle,
					"rewind":  m.rewind,
					"crash":   m.crash,
					"look":    func(*rapid.T) { m.look(false) },
					"tail":    m.tail,
					"trim":    m.trim,
					"delete":  m.remove,
					"restart": m.startAnew,
					"":        m.check,
				})
				m.finish()
			})
		})
	}
}

// up opens the reader, where there is none.
func (m *streamModel) up() bool {
	if m.reader != nil || m.gap != nil {
		return m.reader != nil
	}
	r, err := m.source.Open(m.stream.t.Context(), pipeline.OpenRequest{Shard: m.stream.key, From: m.committed, First: m.committed == nil})
	if m.halts(err) {
		return false
	}
	if m.committed == nil {
		m.before = maps.Clone(m.removed)
	}
	start := r.Start()
	m.reader, m.committed = r, &start // the engine commits where it starts
	return true
}

// halts takes an error of the reader: nil, or a gap. What a gap says must be so.
func (m *streamModel) halts(err error) bool {
	if err == nil {
		return false
	}
	if pipeline.ClassOf(err) != pipeline.Gap {
		m.t.Fatal(err)
	}
	unread, chain := 0, slices.Concat(m.delivered, m.open)
	for v := range m.removed {
		if !m.before[v] && !slices.Contains(chain, v) {
			unread++
		}
	}
	switch says := fmt.Sprintf("%d entries of stream ", unread); {
	case m.anew: // which of both it was cannot always be told
	case unread == 0:
		m.t.Fatalf("a gap is told, and nothing was removed unread: %v", err)
	case !strings.HasPrefix(err.Error(), says):
		m.t.Fatalf("%v; want %q", err, says)
	}
	m.gap = err
	m.crash(m.t)
	return true
}

func (m *streamModel) add(t *rapid.T) {
	n := rapid.IntRange(1, 8).Draw(t, "entries")
	m.stream.add(m.next+1, numbers(m.next, m.next+n)...)
	m.next += n
}

func (m *streamModel) read(t *rapid.T) { m.take(rapid.IntRange(1, 5).Draw(t, "records")) }

func (m *streamModel) take(records int) {
	if !m.up() {
		return
	}
	until := time.Now().Add(3 * time.Millisecond)
	ctx, cancel := context.WithDeadline(m.stream.t.Context(), until)
	defer cancel()
	b, err := tryRead(ctx, m.reader, pipeline.Limit{Records: records, Bytes: 1 << 20})
	if err != nil && pipeline.ClassOf(err) != pipeline.Gap && !time.Now().Before(until) {
		return
	}
	if m.halts(err) || b.After == (pipeline.Position{}) {
		return
	}
	m.open, m.after = append(m.open, values(b)...), b.After
}

func (m *streamModel) commit(*rapid.T) {
	if m.after == (pipeline.Position{}) {
		return
	}
	m.delivered = append(m.delivered, m.open...)
	after := m.after
	m.committed, m.open, m.after = &after, nil, pipeline.Position{}
}

func (m *streamModel) settle(*rapid.T) {
	if m.up() {
		must(m.stream.t, m.reader.Settle(m.stream.t.Context(), *m.committed))
	}
}

func (m *streamModel) rewind(*rapid.T) {
	if m.reader == nil {
		return
	}
	m.open, m.after = nil, pipeline.Position{}
	must(m.stream.t, m.reader.Rewind(*m.committed))
}

func (m *streamModel) crash(*rapid.T) {
	if m.reader != nil {
		must(m.stream.t, m.reader.Close())
	}
	m.reader, m.open, m.after = nil, nil, pipeline.Position{}
}

// look lets the reader look for gaps, as it does every second where it is behind, and
// where nothing has come for a while. It does so when all that was sent is read.
func (m *streamModel) look(caughtUp bool) {
	if !m.up() {
		return
	}
	r := m.reader.(*streamReader)
	if r.left == 0 && r.asked == 0 && !r.skip && !r.fresh {
		m.halts(r.lookForGap(m.stream.t.Context(), caughtUp))
	}
}

func (m *streamModel) tail(*rapid.T) {
	if m.up() {
		_, err := m.reader.(*streamReader).Tail(m.stream.t.Context())
		must(m.stream.t, err)
	}
}

// trim does what a writer's MAXLEN does.
func (m *streamModel) trim(t *rapid.T) {
	if rapid.IntRange(0, 5).Draw(t, "rarely") == 0 {
		m.without(func() { m.stream.do("XTRIM", m.stream.key, "MAXLEN", rapid.IntRange(0, 9).Draw(t, "left")) })
	}
}

func (m *streamModel) remove(t *rapid.T) {
	if m.next > 0 && rapid.IntRange(0, 5).Draw(t, "rarely") == 0 {
		m.without(func() {
			m.stream.do("XDEL", m.stream.key, fmt.Sprintf("%d-0", rapid.IntRange(1, m.next).Draw(t, "id")))
		})
	}
}

// startAnew deletes the stream and makes it again: ids go on, as those of a clock do.
func (m *streamModel) startAnew(t *rapid.T) {
	if rapid.IntRange(0, 5).Draw(t, "rarely") == 0 {
		m.without(func() { m.stream.do("DEL", m.stream.key) })
		m.anew, m.blind = true, m.blind || len(m.delivered) == 0
		m.add(t)
	}
}

// without notes which entries are not there any more after something was done.
func (m *streamModel) without(do func()) {
	m.blind = m.blind || m.anew // as many can be gone of the new one as were read of the old one
	before := m.there()
	do()
	after := m.there()
	for _, v := range before {
		if !slices.Contains(after, v) {
			m.removed[v] = true
		}
	}
}

// there gives the values in the stream.
func (m *streamModel) there() (values []string) {
	entries, err := m.stream.redis.XRange(m.stream.t.Context(), m.stream.key, "-", "+").Result()
	must(m.stream.t, err)
	for _, e := range entries {
		values = append(values, e.Values["v"].(string))
	}
	return values
}

// check: what is delivered is in order, each once, and nothing is missing in
// between but what was removed.
func (m *streamModel) check(t *rapid.T) {
	at := 0
	for _, v := range numbers(0, m.next) {
		switch {
		case at < len(m.delivered) && m.delivered[at] == v:
			at++
		case at < len(m.delivered) && !m.removed[v]:
			t.Fatalf("%q is missing in %q", v, m.delivered)
		}
	}
	if at < len(m.delivered) {
		t.Fatalf("%q came again, or out of order, in %q", m.delivered[at], m.delivered)
	}
}

// finish reads what is left: everything has arrived then, or a gap was told.
func (m *streamModel) finish() {
	var last pipeline.Offset
	newest, err := m.stream.redis.XRevRangeN(m.stream.t.Context(), m.stream.key, "+", "-", 1).Result()
	must(m.stream.t, err)
	if len(newest) > 0 {
		last, _ = parseID([]byte(newest[0].ID))
	}
	for range 10_000 {
		if !m.up() || m.committed.Offset.Compare(last) >= 0 && m.after == (pipeline.Position{}) {
			break
		}
		m.take(5)
		m.commit(m.t)
		m.settle(m.t)
	}
	m.rewind(m.t)
	m.look(true)
	m.check(m.t)
	m.crash(m.t)
	if m.gap != nil || m.blind {
		return
	}
	for _, v := range numbers(0, m.next) {
		if !m.before[v] && !slices.Contains(m.delivered, v) {
			m.t.Fatalf("%q was lost without a word; delivered %q, removed %v", v, m.delivered, m.removed)
		}
	}
}
