//go:build e2e && unix

package pipelinetest

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/connectors/local"
)

// produceShop sends the shop's next n events in one transaction and ends it.
func produceShop(tb testing.TB, client *kgo.Client, shop *local.Shop, n int, how kgo.TransactionEndTry) {
	tb.Helper()
	if err := client.BeginTransaction(); err != nil {
		tb.Fatal(err)
	}
	for range n {
		event, user := shop.Append(nil)
		client.Produce(tb.Context(), &kgo.Record{Key: []byte(user), Value: event}, func(_ *kgo.Record, err error) {
			if err != nil {
				tb.Error(err)
			}
		})
	}
	if err := client.Flush(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if err := client.EndTransaction(tb.Context(), how); err != nil {
		tb.Fatal(err)
	}
}

// shopTopic makes a topic of 4 partitions on the shared Kafka, and a producer to it
// that spreads users over them.
func shopTopic(tb testing.TB) (addr, topic string, client *kgo.Client) {
	tb.Helper()
	addr, topic = SharedKafka(tb).Addr(), Name(tb)
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic), kgo.TransactionalID(topic))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	if _, err := kadm.NewClient(client).CreateTopic(tb.Context(), 4, 1, nil, topic); err != nil {
		tb.Fatal(err)
	}
	return addr, topic, client
}

func TestCheckOnRealKafka(t *testing.T) {
	addr, topic, client := shopTopic(t)
	shop := local.NewShop(1, 100)
	produceShop(t, client, shop, 20_000, kgo.TryCommit)
	produceShop(t, client, shop, 5_000, kgo.TryAbort)
	shop.Seek(20_000)
	produceShop(t, client, shop, 10_000, kgo.TryCommit)
	produceShop(t, client, shop, 1_000, kgo.TryAbort)
	shop.Seek(30_000)
	if got := mustCheck(t, addr, topic, shop.Counts()); !got.OK() || got.Records != 30_000 {
		t.Errorf("committed, aborted, committed, aborted: %s", got)
	}

	// Three thousand events a second time, and two thousand that are never sent.
	shop.Seek(27_000)
	produceShop(t, client, shop, 3_000, kgo.TryCommit)
	shop.Seek(32_000)
	got := mustCheck(t, addr, topic, shop.Counts())
	got.Examples = nil
	if got.Doubled != 3_000 || got.Lost != 2_000 || got.Disordered+got.Corrupt+got.Foreign != 0 {
		t.Errorf("3,000 doubled, 2,000 lost: %s", got)
	}
}

// BenchmarkCheck reads and judges a million events.
func BenchmarkCheck(b *testing.B) {
	const events = 1_000_000
	addr, topic, client := shopTopic(b)
	shop := local.NewShop(1, 1000)
	for range 20 {
		produceShop(b, client, shop, events/20, kgo.TryCommit)
	}
	for b.Loop() {
		report, err := Check(b.Context(), []string{addr}, topic, shop.Counts())
		if err != nil || !report.OK() || report.Records != events {
			b.Fatal(report, err)
		}
	}
	b.ReportMetric(events*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
