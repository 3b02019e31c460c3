package measure

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/cmd/bench/movers"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func kafkaOf(t *testing.T, addr string) *Kafka {
	t.Helper()
	k, err := NewKafka([]string{addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func TestSightings(t *testing.T) {
	var s sightings
	start := time.Unix(1000, 0)
	for second, now := range []offsets{
		{high: 0, stable: 0},
		{high: 5, stable: 0}, // the first transaction is open
		{high: 9, stable: 0},
		{high: 9, stable: 9}, // and committed
		{high: 12, stable: 9},
		{high: 12, stable: 12},
		{high: 12, stable: 12},
	} {
		s.see(now, start.Add(time.Duration(second)*time.Second))
	}
	if want := (Arrivals{First: start.Add(time.Second), Last: start.Add(5 * time.Second)}); s.Arrivals != want {
		t.Errorf("got %+v; want %+v", s.Arrivals, want)
	}
}

func TestArrivalsBeginWithTheLogAndEndWithTheCommit(t *testing.T) {
	servers := pipelinetest.Embedded(t, kfake.SeedTopics(2, "t"))
	k := kafkaOf(t, servers.KafkaAddr)
	producer, err := kgo.NewClient(kgo.SeedBrokers(servers.KafkaAddr), kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)

	done, watched := make(chan struct{}), make(chan Arrivals)
	go func() {
		arrivals, err := k.WatchArrivals(t.Context(), "t", 2, done)
		if err != nil {
			t.Error(err)
		}
		watched <- arrivals
	}()
	started := time.Now()
	if err := producer.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := producer.ProduceSync(t.Context(), kgo.StringRecord("v")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := k.AwaitRecord(t.Context(), "t", 2); err != nil {
		t.Fatal(err)
	}
	committing := time.Now()
	close(done) // it waits for what is still open
	if err := producer.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	arrivals := <-watched
	if arrivals.First.Before(started) || arrivals.First.After(arrivals.Last) || arrivals.Last.Before(committing) {
		t.Errorf("got first %v and last %v after the start; the commit began after %v",
			arrivals.First.Sub(started), arrivals.Last.Sub(started), committing.Sub(started))
	}
}

func TestNothingArrives(t *testing.T) {
	servers := pipelinetest.Embedded(t, kfake.SeedTopics(2, "t"))
	done := make(chan struct{})
	close(done)
	arrivals, err := kafkaOf(t, servers.KafkaAddr).WatchArrivals(t.Context(), "t", 2, done)
	if err != nil || !arrivals.First.IsZero() || !arrivals.Last.IsZero() {
		t.Errorf("got %+v, %v; want neither a first nor a last", arrivals, err)
	}
}

func TestATopicThatIsNotThere(t *testing.T) {
	k := kafkaOf(t, pipelinetest.Embedded(t).KafkaAddr)
	if err := k.AwaitRecord(t.Context(), "none", 1); err == nil {
		t.Error("no error")
	}
	if err := k.CreateTopic(t.Context(), "some", 3); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateTopic(t.Context(), "some", 3); err == nil {
		t.Error("a topic was made twice")
	}
	if n, err := k.endOffsets(t.Context(), "some", 3, 0); err != nil || n != 0 {
		t.Errorf("got %d, %v; want an empty topic of three partitions", n, err)
	}
	if err := k.DeleteTopic(t.Context(), "some"); err != nil {
		t.Fatal(err)
	}
	if version, err := k.Version(t.Context()); err != nil || version == "" {
		t.Errorf("got version %q, %v", version, err)
	}
}

func TestLatencyCountsEachEventAfterTheSkip(t *testing.T) {
	servers := pipelinetest.Embedded(t, kfake.SeedTopics(4, "target"), kfake.SeedTopics(1, "_bench_positions"))
	client := redisOf(t, servers.RedisAddr)
	mover, err := movers.Named("stream-pipelined")
	if err != nil {
		t.Fatal(err)
	}
	moved := make(chan error)
	go func() {
		moved <- mover(t.Context(), movers.Job{
			Redis: servers.RedisAddr, Brokers: []string{servers.KafkaAddr}, Key: "source", Topic: "target",
			Events: 500, Compression: "none",
		})
	}()
	times, err := LatencyTest{
		Shape: Stream, Key: "source", Brokers: []string{servers.KafkaAddr}, Topic: "target", Users: 10, Seed: 1,
		Rate: 1000, For: 500 * time.Millisecond, Skip: 100 * time.Millisecond,
	}.Run(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-moved; err != nil {
		t.Error(err)
	}
	if len(times) != 400 {
		t.Errorf("got %d latencies; want 400", len(times))
	}
	for _, ms := range times {
		if ms <= 0 || ms > 30_000 {
			t.Fatalf("a latency of %g ms", ms)
		}
	}
}

func TestLatencyRefusesStrangers(t *testing.T) {
	servers := pipelinetest.Embedded(t, kfake.SeedTopics(1, "target"))
	k := kafkaOf(t, servers.KafkaAddr)
	record := &kgo.Record{Topic: "target", Value: []byte(`{"ts":5,"x":1}`)}
	if err := k.client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	_, err := LatencyTest{
		Shape: List, Key: "source", Brokers: []string{servers.KafkaAddr}, Topic: "target", Users: 1,
		Rate: 100, For: 100 * time.Millisecond,
	}.Run(t.Context(), redisOf(t, servers.RedisAddr))
	if err == nil {
		t.Error("it took an event that it had not pushed")
	}
}
