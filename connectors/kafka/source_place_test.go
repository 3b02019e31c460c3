//go:build unix

package kafka

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

func TestPlacesOfAPartition(t *testing.T) {
	k := sourceOn(t)
	k.write("a", "b", "aborted", "c")
	s, shard := k.source(), k.topic+"/0"
	for at, least := range map[string]uint64{pipeline.Oldest: 0, "1": 1, "0-2": 2, pipeline.Newest: 5} {
		if p, err := s.Place(t.Context(), shard, at, nil); err != nil || p.Offset.Minor < least || at != pipeline.Newest && p.Offset.Minor != least {
			t.Errorf("%s is at %v, %v", at, p, err)
		}
	}
	for _, at := range []string{"99", "-1", "youngest", "1-1"} {
		_, err := s.Place(t.Context(), shard, at, nil)
		wantError(t, err, pipeline.Permanent, "partition "+shard+" has no place "+at)
	}
	_, err := s.Place(t.Context(), shard, pipeline.Kept, nil)
	wantError(t, err, pipeline.Permanent, "keeps no position of partition "+shard)
	p, err := s.Place(t.Context(), shard, "1", nil)
	must(t, err)
	r, err := s.Open(t.Context(), pipeline.OpenRequest{Shard: shard, From: &p})
	must(t, err)
	defer r.Close() //nolint:errcheck // it is nil
	must(t, r.Wait(t.Context()))
	var b pipeline.Batch
	must(t, r.Read(t.Context(), &b, pipeline.Limit{Records: 1, Bytes: 100}))
	if len(b.Records) != 1 || string(b.Records[0].Value.Raw()) != "b" {
		t.Errorf("it goes on with %d records", len(b.Records))
	}
	if err := s.Forget(t.Context(), shard, &p); err != nil {
		t.Error(err)
	}
}
