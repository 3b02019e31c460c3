//go:build unix

package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
	"github.com/penstock-io/penstock/pipeline/pipelinetest/conform"
)

// sourceTest is a topic of one partition, and a source of it.
type sourceTest struct {
	*kafkaTest
	log strings.Builder
}

func sourceOn(t *testing.T) *sourceTest {
	t.Helper()
	k := &sourceTest{kafkaTest: anyKafka(t)}
	k.topic += "_one"
	k.create(k.topic, 1, nil)
	pipelinetest.Eventually(k, 30*time.Second, "a broker coordinates groups", func() bool {
		_, err := k.admin.FetchOffsets(k.Context(), "penstock."+k.name)
		return err == nil || errors.Is(err, kerr.GroupIDNotFound)
	})
	return k
}

// write puts values into partition 0 of the topic, each a produce of its own; one
// that begins with "aborted" goes in a transaction that is aborted, one with "txn" in
// one that is committed.
func (k *sourceTest) write(values ...string) {
	k.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must(k, err)
	defer client.Close()
	transactional, err := kgo.NewClient(kgo.SeedBrokers(k.addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(k.topic))
	must(k, err)
	defer transactional.Close()
	for _, v := range values {
		record := &kgo.Record{Topic: k.topic, Value: []byte(v)}
		how := kgo.TryCommit
		switch {
		case strings.HasPrefix(v, "aborted"):
			how = kgo.TryAbort
		case strings.HasPrefix(v, "txn"):
		default:
			must(k, client.ProduceSync(k.Context(), record).FirstErr())
			continue
		}
		must(k, transactional.BeginTransaction())
		must(k, transactional.ProduceSync(k.Context(), record).FirstErr())
		must(k, transactional.EndTransaction(k.Context(), how))
	}
	pipelinetest.Eventually(k, 10*time.Second, "all transactions are over", func() bool {
		stable, err := k.admin.ListCommittedOffsets(k.Context(), k.topic)
		must(k, err)
		end, err := k.admin.ListEndOffsets(k.Context(), k.topic)
		must(k, err)
		s, _ := stable.Lookup(k.topic, 0)
		e, _ := end.Lookup(k.topic, 0)
		return s.Offset == e.Offset
	})
}

func (k *sourceTest) source(change ...func(*SourceSettings)) *Source {
	k.Helper()
	settings := SourceSettings{Topics: []string{k.topic}, Start: "oldest", OnGap: "halt"}
	settings.Brokers = []string{k.addr}
	for _, f := range change {
		f(&settings)
	}
	s, err := NewSource(settings, k.name, slog.New(slog.NewTextHandler(&k.log, nil)))
	must(k, err)
	k.Cleanup(func() { must(k, s.Close()) })
	return s
}

// open opens partition 0 and closes it with the test.
func (k *sourceTest) open(s *Source, req pipeline.OpenRequest) pipeline.Reader {
	k.Helper()
	req.Shard = k.topic + "/0"
	r, err := s.Open(k.Context(), req)
	must(k, err)
	k.Cleanup(func() { must(k, r.Close()) })
	return r
}

// read reads until n records have come.
func (k *sourceTest) read(r pipeline.Reader, n int) (values []string, after pipeline.Position) {
	k.Helper()
	ctx, cancel := context.WithTimeout(k.Context(), 30*time.Second)
	defer cancel()
	for len(values) < n {
		must(k, r.Wait(ctx))
		b := &pipeline.Batch{}
		must(k, r.Read(ctx, b, pipeline.Limit{Records: 100, Bytes: 1 << 20}))
		for i := range b.Records {
			values = append(values, string(b.Records[i].Value.Raw()))
		}
		after = b.After
	}
	return values, after
}

func (k *sourceTest) wantRead(r pipeline.Reader, want ...string) pipeline.Position {
	k.Helper()
	got, after := k.read(r, len(want))
	if !slices.Equal(got, want) {
		k.Fatalf("read %q; want %q", got, want)
	}
	return after
}

// deleteBefore removes the records before an offset, as retention does.
func (k *sourceTest) deleteBefore(offset int64) {
	k.Helper()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: k.topic, Partition: 0, At: offset})
	done, err := k.admin.DeleteRecords(k.Context(), offsets)
	must(k, err)
	must(k, done.Error())
}

// remake deletes the topic and makes it again.
func (k *sourceTest) remake() {
	k.Helper()
	_, err := k.admin.DeleteTopic(k.Context(), k.topic)
	must(k, err)
	pipelinetest.Eventually(k, 20*time.Second, "the topic can be made again", func() bool {
		made, err := k.admin.CreateTopic(k.Context(), 1, 1, nil, k.topic)
		return err == nil && made.Err == nil
	})
	pipelinetest.Eventually(k, 10*time.Second, "the topic has a leader", func() bool {
		ends, err := k.admin.ListEndOffsets(k.Context(), k.topic)
		return err == nil && ends.Error() == nil
	})
}

func values(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("value %d", i))
	}
	return all
}

func TestSourceConforms(t *testing.T) {
	conform.Source(t, conform.SourceCase{Values: values(20), Fresh: func(t *testing.T) pipeline.Source {
		k := sourceOn(t)
		k.write(values(20)...)
		return k.source()
	}})
}

func TestSourceReadsWhatIsCommitted(t *testing.T) {
	k := sourceOn(t)
	k.write("a", "aborted 1", "txn b", "c", "aborted 2")
	r := k.open(k.source(), pipeline.OpenRequest{First: true})
	after := k.wantRead(r, "a", "txn b", "c")
	tail, err := r.Tail(t.Context())
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for after != tail { // the last marker moves the position
		must(t, r.Wait(ctx))
		b := &pipeline.Batch{}
		must(t, r.Read(ctx, b, pipeline.Limit{Records: 100, Bytes: 1 << 20}))
		if len(b.Records) > 0 {
			t.Fatalf("read %d records more; want none", len(b.Records))
		}
		after = b.After
	}
}

func TestSourceCarriesTheWholeRecord(t *testing.T) {
	k := sourceOn(t)
	at := time.UnixMilli(1_700_000_000_123)
	client, err := kgo.NewClient(kgo.SeedBrokers(k.addr))
	must(t, err)
	defer client.Close()
	must(t, client.ProduceSync(t.Context(),
		&kgo.Record{Topic: k.topic, Key: []byte("key"), Value: []byte("v"), Timestamp: at,
			Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}}},
		&kgo.Record{Topic: k.topic, Key: []byte("gone")}, // a tombstone
	).FirstErr())
	r := k.open(k.source(), pipeline.OpenRequest{First: true})
	must(t, r.Wait(t.Context()))
	b := &pipeline.Batch{}
	must(t, r.Read(t.Context(), b, pipeline.Limit{Records: 10, Bytes: 1 << 20}))
	if len(b.Records) != 2 {
		t.Fatalf("read %d records; want 2", len(b.Records))
	}
	one, gone := &b.Records[0], &b.Records[1]
	if string(one.Key) != "key" || !one.Time.Equal(at) || len(one.Headers) != 2 || one.Headers[0].Key != "a" || string(one.Headers[0].Value) != "1" {
		t.Errorf("the record came as %+v", one)
	}
	if gone.Value.Raw() != nil {
		t.Errorf("a tombstone has the value %q; want nil", gone.Value.Raw())
	}
	if b.Bytes != len("key")+1+2*1+1+len("gone") {
		t.Errorf("the batch counts %d bytes", b.Bytes)
	}
}

func TestSourceStartsAtTheNewestOnce(t *testing.T) {
	k := sourceOn(t)
	k.write("old")
	s := k.source(func(s *SourceSettings) { s.Start = "newest" })
	newest := k.open(s, pipeline.OpenRequest{First: true})
	later := k.open(s, pipeline.OpenRequest{}) // found when others had positions
	k.write("new")
	k.wantRead(newest, "new")
	k.wantRead(later, "old", "new")
}

func TestSourceFindsGaps(t *testing.T) {
	gaps := []struct {
		name  string
		make  func(*sourceTest)
		words []string
		rest  []string // what on_gap: continue gives
	}{
		{"retention", func(k *sourceTest) { k.deleteBefore(6) }, []string{"2 offsets were deleted before they were read", "the oldest that is kept is 6"}, []string{"value 6", "value 7"}},
		{"made again", func(k *sourceTest) { k.remake(); k.write("another") }, []string{"deleted and made again"}, []string{"another"}},
	}
	for _, gap := range gaps {
		t.Run(gap.name, func(t *testing.T) {
			k := sourceOn(t)
			k.write(values(8)...)
			r := k.open(k.source(), pipeline.OpenRequest{First: true})
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			must(t, r.Wait(ctx))
			b := &pipeline.Batch{}
			must(t, r.Read(ctx, b, pipeline.Limit{Records: 4, Bytes: 1 << 20}))
			must(t, r.Close())
			gap.make(k)
			_, err := k.source().Open(ctx, pipeline.OpenRequest{Shard: k.topic + "/0", From: &b.After})
			wantError(t, err, pipeline.Gap, append(gap.words, "up to offset 3", "on_gap: continue")...)
			goesOn := k.source(func(s *SourceSettings) { s.OnGap = "continue" })
			k.wantRead(k.open(goesOn, pipeline.OpenRequest{From: &b.After}), gap.rest...)
			if !strings.Contains(k.log.String(), gap.words[0]) {
				t.Errorf("the log does not say %q: %s", gap.words[0], k.log.String())
			}
		})
	}
}

// A gap that opens while the reader is open, before what it has fetched.
func TestSourceFindsAGapWhileReading(t *testing.T) {
	k := sourceOn(t)
	k.write(values(8)...)
	r := k.open(k.source(), pipeline.OpenRequest{First: true})
	after := k.wantRead(r, values(8)...)
	after.Offset.Minor = 4
	k.deleteBefore(6)
	must(t, r.Rewind(after))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	wantError(t, r.Wait(ctx), pipeline.Gap, "2 offsets were deleted before they were read")
}

func TestSourceFindsATopicMadeAgainWhileReading(t *testing.T) {
	k := sourceOn(t)
	k.write(values(3)...)
	r := k.open(k.source(func(s *SourceSettings) { s.OnGap = "continue" }), pipeline.OpenRequest{First: true})
	k.wantRead(r, values(3)...)
	k.remake()
	k.write("x", "y", "z", "another")
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var got []string
	for len(got) < 4 {
		if err := r.Wait(ctx); ctx.Err() != nil {
			t.Fatalf("read %q; %v", got, err)
		} else if err != nil {
			continue // the topic was away for a moment
		}
		b := &pipeline.Batch{}
		must(t, r.Read(ctx, b, pipeline.Limit{Records: 100, Bytes: 1 << 20}))
		for i := range b.Records {
			got = append(got, string(b.Records[i].Value.Raw()))
		}
	}
	if want := []string{"x", "y", "z", "another"}; !slices.Equal(got, want) {
		t.Errorf("read %q of the new topic; want %q", got, want)
	}
}

func TestSourceWaitsForATopic(t *testing.T) {
	k := sourceOn(t)
	_, err := k.source(func(s *SourceSettings) { s.Topics = []string{"missing"} }).Shards(t.Context())
	wantError(t, err, pipeline.Unreachable, "topic missing does not exist")
	shards, err := k.source(func(s *SourceSettings) { s.Topics = []string{k.topic, strings.TrimSuffix(k.topic, "_one")} }).Shards(t.Context())
	must(t, err)
	if len(shards) != 4 || shards[0] != k.topic+"/0" || !strings.HasSuffix(shards[3], "/2") {
		t.Errorf("the shards are %q; want one of the first topic and three of the second", shards)
	}
}

func TestSourceSaysThatKafkaIsAway(t *testing.T) {
	k := sourceOn(t)
	s := k.source(func(s *SourceSettings) { s.Brokers = []string{"127.0.0.1:1"} })
	_, err := s.Shards(t.Context())
	wantError(t, err, pipeline.Unreachable, "looking at topic "+k.topic, "127.0.0.1:1")
}
