//go:build unix

package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/penstock-io/penstock/pipeline"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// fake gives a pipeline on a kfake of its own, which can be told to fail.
func fake(t *testing.T, opts ...kfake.Opt) (*kafkaTest, *kfake.Cluster) {
	t.Helper()
	servers := pipelinetest.Embedded(t, opts...)
	return on(t, servers.KafkaAddr), servers.Kafka
}

// produce puts a record into a topic, outside of any lane.
func (k *kafkaTest) produce(r *kgo.Record, opts ...kgo.Opt) *kgo.Client {
	k.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(k.addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	must(k, err)
	k.Cleanup(client.Close)
	if len(opts) > 0 { // a transaction, which stays open
		must(k, client.BeginTransaction())
	}
	must(k, client.ProduceSync(k.Context(), r).FirstErr())
	return client
}

func TestBrokerRefusesARecord(t *testing.T) {
	k, cluster := fake(t)
	s := k.sink()
	lane, _ := k.open(s, "first")
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: k.topic, Err: kerr.InvalidRecord})
	b := batch("list", "filtered", "refused")
	b.Records[0].Fate = pipeline.Filtered
	must(t, lane.Write(t.Context(), b))
	err := lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(2)})
	refused, ok := errors.AsType[*pipeline.Refused](err)
	if !ok || refused.Shard != "list" || refused.Offset.Minor != 2 || !errors.Is(err, kerr.InvalidRecord) {
		t.Fatalf("got %v", err)
	}
	must(t, lane.Close(t.Context()))
	lane, positions := k.open(s, "first")
	if len(positions) != 0 {
		t.Errorf("the positions are %v", positions)
	}
	must(t, lane.Write(t.Context(), batch("list", "good")))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
	k.wantCommitted(k.topic, "good")
}

// What passes, or somebody has to grant, is no record's fault.
func TestBrokerRefusesForNow(t *testing.T) {
	for _, test := range []struct {
		at      kmsg.Key
		refusal *kerr.Error
		class   pipeline.Class
	}{
		{kmsg.Produce, kerr.TopicAuthorizationFailed, pipeline.Unreachable},
		{kmsg.Produce, kerr.UnknownServerError, pipeline.Retryable},
		{kmsg.Produce, kerr.InvalidProducerEpoch, pipeline.Retryable},
		{kmsg.EndTxn, kerr.TransactionalIDAuthorizationFailed, pipeline.Unreachable},
		{kmsg.EndTxn, kerr.InvalidTxnState, pipeline.Retryable},
	} {
		refusal := test.refusal
		k, cluster := fake(t)
		s := k.sink()
		lane, _ := k.open(s, "first")
		cluster.Fault(kfake.Fault{Keys: []kmsg.Key{test.at}, Err: refusal})
		must(t, lane.Write(t.Context(), batch("list", "one")))
		err := lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)})
		if _, ok := errors.AsType[*pipeline.Refused](err); ok {
			t.Errorf("%v: a record is said to be at fault", refusal)
		}
		if err == nil { // franz-go tried again by itself
			continue
		}
		wantError(t, err, test.class, refusal.Message)
		must(t, lane.Close(t.Context()))
		lane, _ = k.open(s, "first") // the own claim is the newest: it goes on
		must(t, lane.Write(t.Context(), batch("list", "one")))
		must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
		k.wantCommitted(k.topic, "one")
	}
}

// The error of a commit says nothing about its outcome: the positions do, and
// they are always those of the records.
func TestOutcomeOfACommitIsUnknown(t *testing.T) {
	for name, arrives := range map[string]bool{"the answer is lost": true, "the request is lost": false} {
		t.Run(name, func(t *testing.T) {
			k, cluster := fake(t)
			s := k.sink()
			lane, _ := k.open(s, "first")
			must(t, lane.Write(t.Context(), batch("list", "one")))
			second, err := kgo.NewClient(kgo.SeedBrokers(k.addr))
			must(t, err)
			t.Cleanup(second.Close)
			passing := false
			cluster.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				if passing {
					return nil, nil, false
				}
				if arrives {
					passing = true
					cluster.SleepControl(func() {
						if _, err := second.Broker(0).Request(context.Background(), req); err != nil {
							t.Error(err)
						}
					})
					passing = false
				}
				return nil, errors.New("the connection is cut"), true
			})
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			stop := context.AfterFunc(ctx, func() { lane.Close(t.Context()) }) //nolint:errcheck // it returns none
			defer stop()
			err = lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)})
			if err != nil {
				wantError(t, err, pipeline.Retryable, "outcome of a Kafka transaction is unknown")
			}
			must(t, lane.Close(t.Context()))
			passing = true
			_, positions := k.open(s, "first")
			if committed := positions["list"] == at(1); committed != arrives || err == nil && !committed {
				t.Errorf("the commit returned %v, and the positions are %v", err, positions)
			}
			if arrives {
				k.wantCommitted(k.topic, "one")
			} else {
				k.wantCommitted(k.topic)
			}
		})
	}
}

// The broker aborts a transaction that was silent too long and gives the errors
// of a fenced producer. Nobody else has claimed the lane: it goes on.
func TestTransactionTimesOut(t *testing.T) {
	k, _ := fake(t)
	s := k.sink(func(s *SinkSettings) { s.Transaction = time.Second })
	lane, _ := k.open(s, "first")
	must(t, lane.Write(t.Context(), batch("list", "too late")))
	over, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	id := transactionalID(k.id(""))
	for _, ongoing := range []bool{true, false} {
		for {
			found, err := k.admin.DescribeTransactions(over, id)
			must(t, err)
			if (found[id].State == "Ongoing") == ongoing {
				break
			}
			if !wait(over, 20*time.Millisecond) {
				t.Fatalf("the transaction is %s", found[id].State)
			}
		}
	}
	if err := lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}); err == nil {
		t.Fatal("a transaction that was aborted was committed")
	}
	must(t, lane.Close(t.Context()))
	lane, positions := k.open(s, "first")
	if len(positions) != 0 {
		t.Errorf("the positions are %v", positions)
	}
	must(t, lane.Write(t.Context(), batch("list", "again")))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
	k.wantCommitted(k.topic, "again")
}

// sleepUntil makes a request wait until release is closed. One that comes after that does
// not wait: kfake can lock itself up where a sleep is over as soon as it begins.
func sleepUntil(c *kfake.Cluster, release <-chan struct{}) {
	select {
	case <-release:
	default:
		c.SleepControl(func() { <-release })
	}
}

func TestCloseEndsACommitThatIsBlocked(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.EndTxn} {
		t.Run(key.Name(), func(t *testing.T) {
			k, cluster := fake(t)
			lane, _ := k.open(k.sink(), "first")
			arrived, release := make(chan struct{}, 100), make(chan struct{})
			cluster.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
				cluster.KeepControl()
				arrived <- struct{}{}
				sleepUntil(cluster, release)
				return nil, nil, false
			})
			defer close(release)
			must(t, lane.Write(t.Context(), batch("list", "one")))
			done := make(chan error, 1)
			go func() { done <- lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}) }()
			<-arrived
			began := time.Now()
			must(t, lane.Close(t.Context()))
			if err := <-done; err == nil {
				t.Error("the commit returned no error")
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("Close took %v", took)
			}
		})
	}
}

// Close ends each wait of a Commit, that for the client's notes too.
func TestCloseEndsTheWaitForNotes(t *testing.T) {
	client, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1"))
	must(t, err)
	defer client.Close()
	lane := &Lane{client: client}
	noted := make(chan error, 1)
	go func() { noted <- lane.noted(t.Context()) }()
	lane.closed.Store(true)
	if err := <-noted; !errors.Is(err, errLaneClosed) {
		t.Errorf("got %v", err)
	}
}

// A Commit waits for the client's notes of each topic that took records: here of one
// that the client has not heard of yet.
func TestCommitWaitsForTheClientsNotes(t *testing.T) {
	k, _ := fake(t)
	opened, _ := k.open(k.sink(), "first")
	lane := opened.(*Lane)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, lane.noted(ended)) // the positions, with the claim
	s := lane.slabs.take(lane)
	s.fill(batch("list", "one"), time.Now())
	lane.slabs.give(s)
	for range 2 {
		if err := lane.noted(ended); !errors.Is(err, context.Canceled) {
			t.Fatalf("nothing was waited for: %v", err)
		}
	}
	must(t, lane.Write(t.Context(), batch("list", "one")))
	must(t, lane.Commit(t.Context(), map[string]pipeline.Position{"list": at(1)}))
	must(t, lane.noted(ended))
	if left := lane.slabs.unnoted(); len(left) > 0 {
		t.Errorf("%v are asked for again", left)
	}
}

func TestCommitEndsWithItsContext(t *testing.T) {
	k, cluster := fake(t)
	lane, _ := k.open(k.sink(), "first")
	release := make(chan struct{})
	defer close(release)
	arrived := make(chan struct{}, 100)
	cluster.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		arrived <- struct{}{}
		sleepUntil(cluster, release)
		return nil, nil, false
	})
	must(t, lane.Write(t.Context(), batch("list", "one")))
	<-arrived
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lane.Commit(ctx, map[string]pipeline.Position{"list": at(1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	must(t, os.WriteFile(empty, nil, 0o600))
	for file, words := range map[string]string{"/nowhere.pem": "cannot be read", empty: "holds no certificate"} {
		s := SinkSettings{Compression: "none"}
		s.TLS = &TLS{CAFile: file}
		_, err := NewSink(s, pipeline.ExactlyOnce, DeadLetters{}, nil)
		wantError(t, err, pipeline.Permanent, "tls.ca_file", words)
	}
	if _, err := NewSink(SinkSettings{Compression: "brotli"}, pipeline.ExactlyOnce, DeadLetters{}, nil); err == nil {
		t.Error("an unknown compression was taken")
	}
	fine := SinkSettings{Topic: "t", Transaction: 15 * time.Second}
	fine.Brokers = []string{"a:9092"}
	if found := fine.Validate(); len(found) != 0 {
		t.Errorf("problems with fine settings: %v", found)
	}
	bad := SinkSettings{Topic: positionsTopic, Transaction: time.Hour, CreateTopic: &CreateTopic{Partitions: 0, Replicas: 1}}
	bad.Brokers = []string{"a:9092", "kafka://b:9092", "c"}
	var fields []string
	for _, p := range bad.Validate() {
		fields = append(fields, p.Field)
	}
	if got := strings.Join(fields, " "); got != "brokers[1] brokers[2] topic transaction_timeout create_topic" {
		t.Errorf("problems with %s", got)
	}
}

// The forms in Kafka are frozen.
func TestStoredForms(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	r := positionRecord(pipeline.LaneID{Pipeline: "shop", Instance: "host-1"}, 3, "a/b", pipeline.Position{Incarnation: "I", Offset: pipeline.Offset{Major: 17, Minor: 4},
		Evidence: pipeline.Evidence{Hash: "h", Added: 5, EntriesAdded: 6}}, now)
	want := `{"version":1,"incarnation":"I","position":"17-4","hash":"h","added":5,"entries_added":6,"instance":"host-1","time":"2026-01-02T03:04:05.006Z"}`
	if string(r.Key) != "shop/a%2Fb" || string(r.Value) != want || r.Topic != "_penstock_positions" || r.Partition != 3 {
		t.Errorf("a position is stored as %s = %s", r.Key, r.Value)
	}
	claim, err := json.Marshal(storedClaim{Version: 1, Instance: "host-1", Lanes: 2, Time: now})
	must(t, err)
	if string(claim) != `{"version":1,"instance":"host-1","lanes":2,"time":"2026-01-02T03:04:05.006Z"}` {
		t.Errorf("a claim is stored as %s", claim)
	}
	id := pipeline.LaneID{Pipeline: "shop", Lane: 2}
	if claimKey(id) != "shop/2/claim" || transactionalID(id) != "penstock.shop.2" {
		t.Errorf("the claim's key is %s, the transactional id %s", claimKey(id), transactionalID(id))
	}
	for name, partition := range map[string]int32{"shop": partitionOf("shop", 16), "": partitionOf("", 2)} {
		if partition < 1 || partition > 15 {
			t.Errorf("pipeline %q has partition %d", name, partition)
		}
	}
	if got := partitionOf("user-behavior", 16); got != 1+int32(fnv1a("user-behavior")%15) {
		t.Errorf("user-behavior has partition %d", got)
	}
}

// fnv1a is FNV-1a, written down apart.
func fnv1a(text string) uint32 {
	hash := uint32(2166136261)
	for _, c := range []byte(text) {
		hash = (hash ^ uint32(c)) * 16777619
	}
	return hash
}
