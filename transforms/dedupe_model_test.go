package transforms

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock-io/penstock/pipeline"
)

// modelCarrier is a carrier in a map, with all that is to be known of it.
type modelCarrier struct {
	shard, life string
	offset      uint64
	time        time.Time
	pending     bool
	givenUp     bool
}

// model is dedupe written for reading: a map, looked through from end to end.
type model struct {
	within   time.Duration
	carriers map[string]*modelCarrier
	newest   map[string]time.Time // by life
}

// verdict is what must become of a record: either where only the order in which
// memory is freed decides.
type verdict int

const (
	unique verdict = iota
	duplicate
	either
)

func (m *model) before(b *pipeline.Batch) {
	for key, c := range m.carriers {
		switch {
		case !c.givenUp || c.shard != b.Shard:
		case c.life != b.After.Incarnation:
			delete(m.carriers, key)
		case c.offset < b.Records[0].Offset.Minor:
			c.givenUp = false
		}
	}
}

func (m *model) judge(b *pipeline.Batch, r *pipeline.Record) verdict {
	if r.Time.After(m.newest[b.After.Incarnation]) {
		m.newest[b.After.Incarnation] = r.Time
	}
	c := m.carriers[string(r.Key)]
	switch {
	case c == nil:
		return unique
	case c.life == b.After.Incarnation && c.offset == r.Offset.Minor:
		if c.givenUp {
			c.givenUp, c.pending = false, true
		}
		return unique
	case c.givenUp || r.Time.Sub(c.time).Abs() >= m.within:
		return unique
	case m.newest[c.life].Sub(c.time) >= m.within:
		return either
	default:
		return duplicate
	}
}

// carry makes r the carrier of its key.
func (m *model) carry(b *pipeline.Batch, r *pipeline.Record) {
	c := m.carriers[string(r.Key)]
	if c == nil || c.life != b.After.Incarnation || c.offset != r.Offset.Minor {
		m.carriers[string(r.Key)] = &modelCarrier{b.Shard, b.After.Incarnation, r.Offset.Minor, r.Time, true, false}
	}
}

func (m *model) after(b *pipeline.Batch) {
	for key, c := range m.carriers {
		if c.givenUp && c.life == b.After.Incarnation && c.offset <= b.After.Offset.Minor {
			delete(m.carriers, key)
		}
	}
}

func (m *model) settled(b *pipeline.Batch) {
	for key, c := range m.carriers {
		if !c.pending || c.life != b.After.Incarnation || c.offset > b.After.Offset.Minor {
			continue
		}
		c.pending = false
		if i := slices.IndexFunc(b.Records, func(r pipeline.Record) bool { return r.Offset.Minor == c.offset }); i >= 0 &&
			b.Records[i].Failure != nil {
			delete(m.carriers, key)
		}
	}
}

func (m *model) gaveUp(shard string) {
	for _, c := range m.carriers {
		if c.shard == shard && c.pending {
			c.pending, c.givenUp = false, true
		}
	}
}

// modelShard is a shard as the engine sees it: a log, the committed part of it,
// and the batches under way.
type modelShard struct {
	name      string
	life      int
	log       []sighting
	condemned map[int]bool // records that a stage before dedupe refuses
	committed int
	read      int
	underWay  []*pipeline.Batch
}

func (s *modelShard) next(records int) *pipeline.Batch {
	b := batchOf(s.name, uint64(s.read+1), s.log[s.read:s.read+records]...)
	b.After.Incarnation = fmt.Sprint(s.name, s.life)
	for i := range b.Records {
		if s.condemned[s.read+i] {
			b.Records[i].Fail(errors.New("condemned"))
		}
	}
	s.read += records
	s.underWay = append(s.underWay, b)
	return b
}

// TestDedupeIsTheModel drives shards as the engine does, with refusals, aborts,
// commits whose answer is lost, and new incarnations.
func TestDedupeIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := dedupe(10_000)
		m := &model{10 * time.Minute, map[string]*modelCarrier{}, map[string]time.Time{}}
		shards := []*modelShard{{name: "a"}, {name: "b"}, {name: "c"}}
		for _, s := range shards {
			s.condemned = map[int]bool{}
		}
		shard := rapid.SampledFrom(shards)
		rewind := func(s *modelShard) {
			d.GivenUp(s.name)
			m.gaveUp(s.name)
			s.read, s.underWay = s.committed, nil
		}
		apply := func(t *rapid.T) {
			s := shard.Draw(t, "shard")
			records := rapid.IntRange(1, 5).Draw(t, "records")
			for ago := 100 * time.Minute; len(s.log) < s.read+records; {
				if n := len(s.log); n > 0 {
					ago = s.log[n-1].ago
				}
				ago -= time.Duration(rapid.IntRange(0, 180).Draw(t, "seconds")) * time.Second
				s.log = append(s.log, sighting{rapid.StringMatching("[a-h]").Draw(t, "key"), max(ago, 0)})
			}
			b := s.next(records)
			m.before(b)
			if err := d.Apply(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			for i := range b.Records {
				r := &b.Records[i]
				if r.Fate == pipeline.Failed {
					continue
				}
				want := m.judge(b, r)
				if got := map[pipeline.Fate]verdict{pipeline.Duplicate: duplicate}[r.Fate]; want != either && got != want {
					t.Fatalf("%s %v, key %s: verdict %d, want %d; the model has %+v", b.Shard, r.Offset, r.Key, got, want, m.carriers[string(r.Key)])
				}
				if r.Fate == pipeline.Deliver {
					m.carry(b, r)
				}
			}
			m.after(b)
		}
		t.Repeat(map[string]func(*rapid.T){
			"apply": apply, "apply more": apply, "apply most": apply,
			"commit": func(t *rapid.T) {
				s := shard.Draw(t, "shard")
				if len(s.underWay) == 0 {
					return
				}
				b := s.underWay[0]
				if r := rapid.IntRange(0, 2*len(b.Records)).Draw(t, "refused"); r < len(b.Records) && b.Records[r].Fate == pipeline.Deliver {
					b.Records[r].Fail(errors.New("refused"))
					b.Records[r].Fate = rapid.SampledFrom([]pipeline.Fate{pipeline.DeadLettered, pipeline.Dropped}).Draw(t, "fate")
				}
				d.Settled(b)
				m.settled(b)
				s.committed, s.underWay = s.committed+len(b.Records), s.underWay[1:]
			},
			"abort": func(t *rapid.T) {
				s := shard.Draw(t, "shard")
				if i := rapid.IntRange(s.committed, 2*s.read+1).Draw(t, "condemned"); i < s.read {
					s.condemned[i] = true
				}
				rewind(s)
			},
			"lost answer": func(t *rapid.T) {
				s := shard.Draw(t, "shard")
				if len(s.underWay) > 0 {
					s.committed += len(s.underWay[0].Records)
				}
				rewind(s)
			},
			"new incarnation": func(t *rapid.T) {
				s := shard.Draw(t, "shard")
				rewind(s)
				last := sighting{ago: 100 * time.Minute}
				if s.read > 0 {
					last = s.log[s.read-1]
				}
				last.key = cmp.Or(last.key, "a")
				s.life, s.log, s.committed, s.read = s.life+1, []sighting{last}, 0, 0
				clear(s.condemned)
			},
		})
	})
}
