package local

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"github.com/penstock-io/penstock/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens the source's one shard and closes reader and source at the end.
func open(t *testing.T, s pipeline.Source, req pipeline.OpenRequest) pipeline.Reader {
	t.Helper()
	shards, err := s.Shards(t.Context())
	if err != nil || len(shards) != 1 {
		t.Fatalf("Shards: %v, %v", shards, err)
	}
	req.Shard = shards[0]
	r, err := s.Open(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(r.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// read waits and reads one batch, and checks what every batch must keep.
func read(t *testing.T, r pipeline.Reader, limit pipeline.Limit) (*pipeline.Batch, error) {
	t.Helper()
	if err := r.Wait(t.Context()); err != nil {
		return nil, err
	}
	b := &pipeline.Batch{}
	if err := r.Read(t.Context(), b, limit); err != nil {
		return nil, err
	}
	size := 0
	for i, rec := range b.Records {
		size += len(rec.Key) + len(rec.Value.Raw())
		if rec.Time.IsZero() || string(rec.Original) != string(rec.Value.Raw()) {
			t.Errorf("record %d: time %v, original %q, value %q", i, rec.Time, rec.Original, rec.Value.Raw())
		}
		if i > 0 && rec.Offset.Compare(b.Records[i-1].Offset) <= 0 {
			t.Errorf("offset %v follows %v", rec.Offset, b.Records[i-1].Offset)
		}
	}
	if n := len(b.Records); n > 0 && b.Records[n-1].Offset != b.After.Offset {
		t.Errorf("After is %v, the last record is at %v", b.After.Offset, b.Records[n-1].Offset)
	}
	if b.Read != len(b.Records) || b.Bytes != size || b.Shard == "" || b.After.Incarnation == "" {
		t.Errorf("batch says %d records, %d bytes, shard %q, %+v", b.Read, b.Bytes, b.Shard, b.After)
	}
	if len(b.Records) > limit.Records || b.Bytes > limit.Bytes && len(b.Records) > 1 {
		t.Errorf("%d records, %d bytes are beyond %+v", len(b.Records), b.Bytes, limit)
	}
	return b, nil
}

var (
	large = pipeline.Limit{Records: 1000, Bytes: 4 << 20}
	small = pipeline.Limit{Records: 3, Bytes: 400}
)

// readAll reads to the end and gives the values, and the position after each batch.
func readAll(t *testing.T, r pipeline.Reader, limit pipeline.Limit) (values []string, after []pipeline.Position) {
	t.Helper()
	for {
		b, err := read(t, r, limit)
		if errors.Is(err, pipeline.ErrEnd) {
			return values, after
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range b.Records {
			values = append(values, string(rec.Value.Raw()))
		}
		after = append(after, b.After)
	}
}

// class fails the test unless err has the class.
func class(t *testing.T, err error, want pipeline.Class) {
	t.Helper()
	if err == nil || pipeline.ClassOf(err) != want {
		t.Errorf("error is %v, want class %v", err, want)
	}
}

// batch is a batch of those values.
func batch(values ...string) *pipeline.Batch {
	b := &pipeline.Batch{Shard: "s"}
	for _, v := range values {
		b.Add().Value = pipeline.RawValue([]byte(v))
	}
	return b
}

// lane opens a lane of the sink and closes it at the end.
func lane(t *testing.T, s pipeline.Sink) pipeline.Lane {
	t.Helper()
	l, positions, err := s.Open(t.Context(), pipeline.LaneID{Pipeline: "p", Lanes: 1, Instance: "i"})
	if err != nil || len(positions) != 0 {
		t.Fatalf("Open: %v, positions %v", err, positions)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}
