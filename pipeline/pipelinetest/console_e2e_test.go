//go:build e2e && unix

package pipelinetest

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/connectors/local"
)

// Kafka's own consumer tells what was committed, and leaves out what was not.
func TestCheckByConsole(t *testing.T) {
	addr, topic, client := shopTopic(t)
	shop := local.NewShop(1, 100)
	produceShop(t, client, shop, 2_000, kgo.TryCommit)
	produceShop(t, client, shop, 1_000, kgo.TryAbort)
	shop.Seek(1_900) // a hundred a second time, and the aborted ones never
	produceShop(t, client, shop, 100, kgo.TryCommit)
	shop.Seek(2_050)
	got, err := CheckByConsole(t.Context(), addr, topic, shop.Counts(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got.Records != 2_100 || got.Doubled != 100 || got.Lost != 50 || got.Disordered+got.Corrupt+got.Foreign != 0 {
		t.Error(got)
	}
}
