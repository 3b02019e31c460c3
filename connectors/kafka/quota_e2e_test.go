//go:build e2e && unix

package kafka

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// A client whose quota is low is slowed down by the broker. The sink waits, nothing
// is lost, and no more is kept than the batch that is written.
func TestQuota(t *testing.T) {
	k := on(t, pipelinetest.SharedKafka(t).Addr())
	const rate = 256 << 10 // bytes a second
	set, err := k.admin.AlterClientQuotas(t.Context(), []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "client-id", Name: &k.name}},
		Ops:    []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: rate}},
	}})
	must(t, err)
	must(t, set[0].Err)
	s := k.sink(func(s *SinkSettings) { s.ClientID, s.Compression = k.name, "none" })
	opened, _ := k.open(s, "first")
	lane := opened.(*Lane)
	from := time.Now()
	const batches, each, size = 12, 64, 8 << 10 // 6 MiB
	for i := range batches {
		values := make([]string, each)
		for j := range values {
			values[j] = fmt.Sprintf("%03d-%03d-%s", i, j, strings.Repeat("x", size))
		}
		must(t, lane.Write(t.Context(), batch("list", values...)))
		must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(uint64(i + 1))}))
		if n := len(lane.slabs.all); n > 1 || lane.client.BufferedProduceRecords() > 0 {
			t.Fatalf("%d batches and %d records are held after a commit", n, lane.client.BufferedProduceRecords())
		}
	}
	// The broker counts over about 10 s: the first of them pass at once.
	if took := time.Since(from); took < 5*time.Second {
		t.Errorf("6 MiB passed in %v at 256 KiB a second", took)
	}
	var got []string
	for _, r := range k.wantCount(batches * each) {
		got = append(got, string(r.Value[:7]))
	}
	for i := range batches * each {
		if want := fmt.Sprintf("%03d-%03d", i/each, i%each); got[i] != want {
			t.Fatalf("record %d is %s, want %s", i, got[i], want)
		}
	}
	if !slices.IsSorted(got) {
		t.Error("the order was not kept")
	}
}
