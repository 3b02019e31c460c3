package redis

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func TestMain(m *testing.M) {
	// Watermill's suite leaves these behind, with messages that it does not take.
	const multiplier = "github.com/ThreeDotsLabs/watermill/internal/subscriber.(*multiplier).Subscribe."
	// The stock subscriber sleeps once more when it is closed.
	const sleeper = "github.com/ThreeDotsLabs/watermill-redisstream/pkg/redisstream.(*Subscriber).read"
	ignore := []goleak.Option{goleak.IgnoreAnyFunction(sleeper), goleak.IgnoreAnyFunction(multiplier + "func2"), goleak.IgnoreAnyFunction(multiplier + "func3")}
	goleak.VerifyTestMain(pipelinetest.Unhurried{M: m, Ignore: ignore}, ignore...)
}

// place is a Redis to test on.
type place struct {
	name string
	addr string // of one server; empty: it is a Cluster
	real bool   // a real one: it counts entries-added, and has CONFIG, CLIENT and so on
	// cluster is the Cluster, where it is one.
	cluster *pipelinetest.RedisCluster
	// sentinel is the URL of the Sentinels, where there are some.
	sentinel string
}

// each runs a test on every place there is (see places).
func each(t *testing.T, test func(*testing.T, place)) {
	t.Helper()
	for _, p := range places(t) {
		t.Run(p.name, func(t *testing.T) { test(t, p) })
	}
}

// client gives a client of the test's own.
func (p place) client(t testing.TB) redis.UniversalClient {
	t.Helper()
	c := p.newClient()
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// newClient gives a client that its user closes.
func (p place) newClient() redis.UniversalClient {
	o := &redis.UniversalOptions{Addrs: []string{p.addr}, Protocol: 2, DisableIdentity: true}
	if p.cluster != nil {
		o.Addrs, o.IsClusterMode, o.MaxRedirects = p.cluster.Addrs(), true, 20
	}
	return redis.NewUniversalClient(o)
}

func (p place) url() pipeline.Secret {
	switch {
	case p.cluster != nil:
		return pipeline.Secret(p.cluster.URL())
	case p.sentinel != "":
		return pipeline.Secret(p.sentinel)
	}
	return pipeline.Secret("redis://" + p.addr)
}

// list gives a list source, with the defaults of a pipeline file.
func (p place) list(t testing.TB, log *slog.Logger, change ...func(*ListSettings)) *ListSource {
	t.Helper()
	s := ListSettings{PushedBy: "rpush", OnGap: "halt", Trigger: Trigger{Mode: "continuous"}}
	s.URL = p.url()
	for _, f := range change {
		f(&s)
	}
	source, err := NewListSource(s, log)
	must(t, err)
	t.Cleanup(func() { must(t, source.Close()) })
	return source
}

// stream gives a stream source, with the defaults of a pipeline file.
func (p place) stream(t testing.TB, log *slog.Logger, change ...func(*StreamSettings)) *StreamSource {
	t.Helper()
	s := StreamSettings{Start: "oldest", Trim: "none", ValueField: "v", OnGap: "halt", Trigger: Trigger{Mode: "continuous"}}
	s.URL = p.url()
	for _, f := range change {
		f(&s)
	}
	source, err := NewStreamSource(s, log)
	must(t, err)
	t.Cleanup(func() { must(t, source.Close()) })
	return source
}

// open opens a shard, and closes it when the test ends.
func open(t testing.TB, s pipeline.Source, key string, from *pipeline.Position) pipeline.Reader {
	t.Helper()
	r, err := s.Open(t.Context(), pipeline.OpenRequest{Shard: key, From: from, First: from == nil})
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	return r
}

var (
	quiet = slog.New(slog.DiscardHandler)
	large = pipeline.Limit{Records: 1000, Bytes: 4 << 20}
)

// recorded gives a log, and what was logged so far.
func recorded() (*slog.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	return slog.New(slog.NewTextHandler(&out, nil)), &out
}

// read gives the next batch that holds something, and checks what every batch
// must keep.
func read(t testing.TB, r pipeline.Reader, limit pipeline.Limit) *pipeline.Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		b, err := tryRead(ctx, r, limit)
		must(t, err)
		if b.Read > 0 {
			checkBatch(t, b)
			return b
		}
	}
}

// tryRead waits and reads once.
func tryRead(ctx context.Context, r pipeline.Reader, limit pipeline.Limit) (*pipeline.Batch, error) {
	b := &pipeline.Batch{}
	if err := r.Wait(ctx); err != nil {
		return b, err
	}
	return b, r.Read(ctx, b, limit)
}

func checkBatch(t testing.TB, b *pipeline.Batch) {
	t.Helper()
	for i, rec := range b.Records {
		if rec.Time.IsZero() {
			t.Errorf("record %d has no time", i)
		}
		if i > 0 && rec.Offset.Compare(b.Records[i-1].Offset) <= 0 {
			t.Errorf("offset %v follows %v", rec.Offset, b.Records[i-1].Offset)
		}
	}
	if n := len(b.Records); b.Read != n || b.Records[n-1].Offset != b.After.Offset || b.After.Incarnation == "" || b.Bytes == 0 {
		t.Errorf("a batch of %d records says %d, %d bytes, %+v", n, b.Read, b.Bytes, b.After)
	}
}

// values gives the records as text.
func values(b *pipeline.Batch) []string {
	var out []string
	for i := range b.Records {
		out = append(out, string(b.Records[i].Value.Raw()))
	}
	return out
}

// take reads until n records came, and gives them with the last batch's end.
func take(t testing.TB, r pipeline.Reader, n int, limit pipeline.Limit) ([]string, pipeline.Position) {
	t.Helper()
	var out []string
	var after pipeline.Position
	for len(out) < n {
		b := read(t, r, pipeline.Limit{Records: min(limit.Records, n-len(out)), Bytes: limit.Bytes})
		out, after = append(out, values(b)...), b.After
	}
	return out, after
}

// nothing checks that nothing more comes for a while.
func nothing(t testing.TB, r pipeline.Reader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for ctx.Err() == nil {
		b, err := tryRead(ctx, r, large)
		if err == nil && b.Read > 0 {
			t.Fatalf("more came: %q", values(b))
		}
		if err != nil && ctx.Err() == nil {
			t.Fatal(err)
		}
	}
}

// numbers gives texts "from" to "to", to exclusive.
func numbers(from, to int) []string {
	var out []string
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("event %d", i))
	}
	return out
}

func wantValues(t testing.TB, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %d records %.300q\nwant %d %.300q", len(got), got, len(want), want)
	}
}

// wantError checks the class of an error, and words that its text must hold.
func wantError(t testing.TB, err error, class pipeline.Class, words ...string) {
	t.Helper()
	if err == nil || pipeline.ClassOf(err) != class {
		t.Fatalf("got the error %v (%v), want %v with %q", err, pipeline.ClassOf(err), class, words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error %q does not say %q", err, word)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
