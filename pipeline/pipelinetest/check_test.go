package pipelinetest

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// topicOf gives the address of a fresh kfake with a topic "t" of two partitions,
// and a transactional producer to it.
func topicOf(t *testing.T) (string, *kgo.Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	addr := cluster.ListenAddrs()[0]
	return addr, producer(t, addr, "t")
}

func producer(t *testing.T, addr, topic string) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic(topic), kgo.TransactionalID(Name(t)),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// produce sends records without ending the transaction.
func produce(t *testing.T, client *kgo.Client, topic []sent) {
	t.Helper()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for _, s := range topic {
		r := &kgo.Record{Partition: s.partition, Key: []byte(s.key), Value: []byte(s.value)}
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func end(t *testing.T, client *kgo.Client, how kgo.TransactionEndTry) {
	t.Helper()
	if err := client.EndTransaction(t.Context(), how); err != nil {
		t.Fatal(err)
	}
}

func mustCheck(t *testing.T, addr, topic string, want Expectation) Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	report, err := Check(ctx, []string{addr}, topic, want)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestCheckCountsEachFault(t *testing.T) {
	for name, c := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, client := topicOf(t)
			if len(c.topic) > 0 { // the offsets in the examples are those of one transaction
				produce(t, client, c.topic)
				end(t, client, kgo.TryCommit)
			}
			got := mustCheck(t, addr, "t", expected)
			got.Examples, c.want.Examples = nil, nil
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestCheckSeesNothingOfAbortedTransactions(t *testing.T) {
	addr, client := topicOf(t)
	all := join(as("u1", 1, 2, 3, 4), in(1, as("u2", 1, 2)))
	produce(t, client, all)
	end(t, client, kgo.TryAbort)
	if got := mustCheck(t, addr, "t", expected); got.Records != 0 || got.Lost != 6 {
		t.Errorf("after an abort: %s", got)
	}
	produce(t, client, all)
	end(t, client, kgo.TryCommit)
	produce(t, client, all)
	end(t, client, kgo.TryAbort)
	if got := mustCheck(t, addr, "t", expected); !got.OK() || got.Records != 6 {
		t.Errorf("abort, commit, abort: %s", got)
	}
}

func TestCheckWaitsForAnOpenTransaction(t *testing.T) {
	addr, client := topicOf(t)
	produce(t, client, join(as("u1", 1, 2, 3, 4), as("u2", 1, 2)))

	short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	_, err := Check(short, []string{addr}, "t", expected)
	wantIn(t, err, "checking topic t", "partition 0", "a transaction is open at offset 0 of 6")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}

	got := make(chan Report, 1)
	go func() {
		report, err := Check(t.Context(), []string{addr}, "t", expected)
		if err != nil {
			t.Error(err)
		}
		got <- report
	}()
	end(t, client, kgo.TryCommit)
	if report := <-got; !report.OK() || report.Records != 6 {
		t.Error(report)
	}
}

func TestReadStopsAtTheEnd(t *testing.T) {
	addr, client := topicOf(t)
	produce(t, client, join(as("u1", 1, 2, 3, 4), in(1, as("u2", 1, 2))))
	end(t, client, kgo.TryCommit)
	reader, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.KeepControlRecords())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reader.Close)
	j := newJudge(expected)
	if err := read(t.Context(), reader, "t", map[int32]int64{0: 3, 1: 1}, j); err != nil {
		t.Fatal(err)
	}
	if got := j.verdict(); got.Records != 4 || got.Lost != 2 {
		t.Errorf("three and one records are before the ends; got %s", got)
	}
}

func TestCheckOfATopicThatIsNotThere(t *testing.T) {
	addr, _ := topicOf(t)
	_, err := Check(t.Context(), []string{addr}, "other", expected)
	wantIn(t, err, "checking topic other", "UNKNOWN_TOPIC_OR_PARTITION")
}

func TestCheckOfAServerThatIsNotThere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := Check(ctx, []string{"127.0.0.1:1"}, "t", expected)
	wantIn(t, err, "checking topic t")
}
