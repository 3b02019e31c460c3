package conform

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

// SourceCase is what Source needs to know of a source.
type SourceCase struct {
	// Values are those of the records of its one shard, at least ten, in this order.
	Values []string
	// Fresh makes a source of its own for each subtest, whose shard gets no others.
	Fresh func(t *testing.T) pipeline.Source
	// Shared: others may read the shard beside it. It takes no position from outside,
	// then, and does not know its tail.
	Shared bool
	// OneByOne: a record comes only when the one before it is settled. It is Shared,
	// then.
	OneByOne bool
}

// Source checks a source against the rules of package pipeline, with one shard. The
// suite closes what it makes, before what Fresh leaves to t.Cleanup.
func Source(t *testing.T, c SourceCase) {
	t.Helper()
	if len(c.Values) < leastValues {
		t.Fatalf("the case has %d values; give it at least %d", len(c.Values), leastValues)
	}
	tests := sourceTests()
	if c.Shared {
		delete(tests, "continues after any position")
		delete(tests, "knows its tail")
	}
	if c.OneByOne {
		delete(tests, "settles")
		tests["rewinds to any position"] = (*sourceSuite).rewindsOne
		tests["removes nothing before Settle"] = (*sourceSuite).removesNotOne
		tests["gives one by one"] = (*sourceSuite).givesOne
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			leavesNothing(t)
			source := c.Fresh(t)
			t.Cleanup(func() {
				if err := source.Close(); err != nil {
					t.Error(err)
				}
			})
			test(&sourceSuite{T: t, source: source, values: c.Values, shared: c.Shared, oneByOne: c.OneByOne})
		})
	}
}

// sourceTests are the subtests, by name.
func sourceTests() map[string]func(s *sourceSuite) {
	return map[string]func(s *sourceSuite){
		"reads all in order":                   (*sourceSuite).readsAll,
		"continues after any position":         (*sourceSuite).continues,
		"rewinds to any position":              (*sourceSuite).rewinds,
		"removes nothing before Settle":        (*sourceSuite).removesNothing,
		"settles":                              (*sourceSuite).settles,
		"keeps its position":                   (*sourceSuite).keepsPosition,
		"knows its tail":                       (*sourceSuite).tail,
		"says no more after Close":             (*sourceSuite).closed,
		"Close ends what waits":                (*sourceSuite).closeWhileWaiting,
		"a context ends what waits":            (*sourceSuite).contextWhileWaiting,
		"closes twice, and opens nothing then": (*sourceSuite).closesTwice,
		"leaves no goroutine":                  (*sourceSuite).leavesNoGoroutine,
	}
}

// leastValues are as many as the subtests read one by one.
const leastValues = 10

// sourceSuite is one subtest.
type sourceSuite struct {
	*testing.T
	source pipeline.Source
	values []string
	shared bool
	// oneByOne: reads settles each batch but the last.
	oneByOne bool
}

var (
	roomy = pipeline.Limit{Records: 1000, Bytes: 4 << 20}
	tight = pipeline.Limit{Records: 3, Bytes: 1 << 10}
	alone = pipeline.Limit{Records: 1, Bytes: 1}
)

// shard gives the name of the one shard.
func (s *sourceSuite) shard() string {
	s.Helper()
	shards, err := s.source.Shards(s.Context())
	if err != nil || len(shards) != 1 {
		s.Fatalf("Shards: %v, %v; want one", shards, err)
	}
	return shards[0]
}

// open opens the shard; the reader is closed with the test, if not before.
func (s *sourceSuite) open(req pipeline.OpenRequest) pipeline.Reader {
	s.Helper()
	req.Shard = s.shard()
	r, err := s.source.Open(s.Context(), req)
	if err != nil {
		s.Fatalf("Open: %v", err)
	}
	s.Cleanup(func() { s.close(r) })
	return r
}

func (s *sourceSuite) close(r pipeline.Reader) {
	s.Helper()
	if err := r.Close(); err != nil {
		s.Errorf("Close: %v", err)
	}
}

// reads reads n records, and checks each batch. It gives the values, and the
// position after each batch.
func (s *sourceSuite) reads(r pipeline.Reader, limit pipeline.Limit, n int) (values []string, after []pipeline.Position) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), callPatience)
	defer cancel()
	last := r.Start().Offset
	for len(values) < n {
		if err := within(s.T, "Wait", func() error { return r.Wait(ctx) }); err != nil {
			s.Fatalf("Wait, after %d of %d records: %v", len(values), n, err)
		}
		b := &pipeline.Batch{}
		if err := r.Read(ctx, b, limit); err != nil {
			s.Fatalf("Read, after %d of %d records: %v", len(values), n, err)
		}
		if len(b.Records) == 0 {
			continue
		}
		s.checkBatch(b, limit)
		for i := range b.Records {
			values = append(values, string(b.Records[i].Value.Raw()))
		}
		if first := b.Records[0].Offset; len(after) > 0 && first.Compare(last) <= 0 {
			s.Errorf("a batch begins at %v, the one before ended at %v", first, last)
		}
		last = b.After.Offset
		after = append(after, b.After)
		if s.oneByOne && len(values) < n {
			s.settle(r, b.After)
		}
	}
	return values, after
}

// singly reads n records, each in a batch of its own, and gives the position
// before them and that after each.
func (s *sourceSuite) singly(r pipeline.Reader, n int) []pipeline.Position {
	s.Helper()
	_, after := s.reads(r, alone, n)
	if len(after) != n {
		s.Fatalf("%d records came in %d batches, and the limit is one", n, len(after))
	}
	return append([]pipeline.Position{r.Start()}, after...)
}

func (s *sourceSuite) checkBatch(b *pipeline.Batch, limit pipeline.Limit) {
	s.Helper()
	size := 0
	for i := range b.Records {
		r := &b.Records[i]
		size += len(r.Key) + len(r.Value.Raw())
		for _, h := range r.Headers {
			size += len(h.Key) + len(h.Value)
		}
		if i > 0 && r.Offset.Compare(b.Records[i-1].Offset) <= 0 {
			s.Errorf("offset %v follows %v", r.Offset, b.Records[i-1].Offset)
		}
		if r.Time.IsZero() {
			s.Errorf("the record at %v has no time", r.Offset)
		}
	}
	n := len(b.Records)
	if last := b.Records[n-1].Offset; b.After.Offset != last {
		s.Errorf("After is %v, the last record is at %v", b.After.Offset, last)
	}
	if b.Read != n || b.Bytes != size {
		s.Errorf("the batch says %d records of %d bytes, and has %d of %d", b.Read, b.Bytes, n, size)
	}
	if n > limit.Records || n > 1 && size > limit.Bytes {
		s.Errorf("%d records of %d bytes are beyond %+v", n, size, limit)
	}
}

// rest checks that the reader gives the values from number n on, and no others.
func (s *sourceSuite) rest(r pipeline.Reader, n int, what string) {
	s.Helper()
	if got, _ := s.reads(r, roomy, len(s.values)-n); !slices.Equal(got, s.values[n:]) {
		s.Errorf("%s: read %q, want the %d values from number %d on", what, got, len(s.values)-n, n)
	}
}

func (s *sourceSuite) readsAll() {
	for _, limit := range []pipeline.Limit{roomy, tight, alone} {
		r := s.open(pipeline.OpenRequest{First: true})
		if got, _ := s.reads(r, limit, len(s.values)); !slices.Equal(got, s.values) {
			s.Errorf("with %+v: read %q", limit, got)
		}
		s.close(r)
		if s.oneByOne {
			return // what is settled does not come again
		}
	}
}

func (s *sourceSuite) continues() {
	r := s.open(pipeline.OpenRequest{First: true})
	positions := s.singly(r, len(s.values))
	s.close(r)
	for n, p := range positions {
		again := s.open(pipeline.OpenRequest{From: &p})
		if again.Start() != p {
			s.Errorf("opened at %+v, starts at %+v", p, again.Start())
		}
		s.rest(again, n, "opened again")
		s.close(again)
	}
}

func (s *sourceSuite) rewinds() {
	r := s.open(pipeline.OpenRequest{First: true})
	positions := s.singly(r, len(s.values))
	for _, n := range []int{len(s.values), len(s.values) / 2, 0, len(s.values) - 1, 1} {
		if err := r.Rewind(positions[n]); err != nil {
			s.Fatal(err)
		}
		s.rest(r, n, "rewound")
	}
}

func (s *sourceSuite) removesNothing() {
	for range 2 {
		r := s.open(pipeline.OpenRequest{})
		s.rest(r, 0, "nothing was settled")
		s.close(r)
	}
}

func (s *sourceSuite) settles() {
	r := s.open(pipeline.OpenRequest{First: true})
	after := s.singly(r, 8)
	for _, n := range []int{1, 4, 4, 5} { // positions may be skipped, and come twice
		if err := r.Settle(s.Context(), after[n]); err != nil {
			s.Fatal(err)
		}
	}
	if err := r.Rewind(after[5]); err != nil {
		s.Fatal(err)
	}
	s.rest(r, 5, "rewound to what is settled")
	s.close(r)
	if s.shared {
		return
	}
	for _, n := range []int{5, 8} { // the sink may be ahead of the clean-up
		again := s.open(pipeline.OpenRequest{From: &after[n]})
		s.rest(again, n, "opened after a clean-up to number 5")
		s.close(again)
	}
}

func (s *sourceSuite) keepsPosition() {
	r := s.open(pipeline.OpenRequest{First: true, KeepsPosition: true})
	read := 8
	if s.oneByOne {
		read = 5
	}
	after := s.singly(r, read)
	s.settle(r, after[5])
	s.close(r)
	again := s.open(pipeline.OpenRequest{KeepsPosition: true})
	s.rest(again, 5, "opened without a position")
}

func (s *sourceSuite) tail() {
	r := s.open(pipeline.OpenRequest{First: true})
	_, after := s.reads(r, tight, len(s.values))
	last := after[len(after)-1]
	// An input that ends is known to, once it was looked for more.
	ctx, cancel := context.WithTimeout(s.Context(), 100*time.Millisecond)
	defer cancel()
	if err := within(s.T, "Wait", func() error { return r.Wait(ctx) }); err == nil {
		s.Error("Wait says that there is more")
	}
	tail, err := r.Tail(s.Context())
	if err != nil || tail.Offset != last.Offset {
		s.Errorf("the tail is %v, %v; all was read up to %v", tail.Offset, err, last.Offset)
	}
	if err := r.Settle(s.Context(), last); err != nil {
		s.Fatal(err)
	}
	if lag, err := r.Lag(s.Context()); err != nil || lag > 0 {
		s.Errorf("the lag is %d, %v, and all is settled", lag, err)
	}
}
