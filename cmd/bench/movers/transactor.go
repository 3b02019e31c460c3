package movers

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

// transactor writes events and positions in transactions. Not safe for
// concurrent use.
type transactor struct {
	client *kgo.Client
	topic  string
	key    []byte

	mu     sync.Mutex // promises run on goroutines of the client
	failed error
}

// newTransactor takes the transactional id of the job's key over and begins the
// first transaction.
func newTransactor(ctx context.Context, job Job) (*transactor, error) {
	codec, ok := codecs[job.Compression]
	if !ok {
		return nil, fmt.Errorf("no compression is called %q; there are none, gzip, snappy, lz4, zstd", job.Compression)
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(job.Brokers...),
		kgo.TransactionalID("bench."+job.Key),
		kgo.ProducerBatchCompression(codec),
		kgo.MaxBufferedRecords(4*batchSize*batchesInFlight),
		kgo.AllowAutoTopicCreation(), // for the positions topic
	)
	if err != nil {
		return nil, fmt.Errorf("Kafka client: %w", err)
	}
	if _, _, err := client.ProducerID(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("take over the transactional id: %w", err)
	}
	t := &transactor{client: client, topic: job.Topic, key: []byte(job.Key)}
	if err := client.BeginTransaction(); err != nil {
		client.Close()
		return nil, fmt.Errorf("begin: %w", err)
	}
	return t, nil
}

// write enqueues an event.
func (t *transactor) write(ctx context.Context, event []byte) {
	t.client.Produce(ctx, recordOf(t.topic, event), t.promise)
}

// commit ends the transaction with the position in it, and begins the next one.
func (t *transactor) commit(ctx context.Context, position string) error {
	t.client.Produce(ctx, &kgo.Record{Topic: positionsTopic, Key: t.key, Value: []byte(position)}, t.promise)
	if err := t.client.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	t.mu.Lock()
	err := t.failed
	t.mu.Unlock()
	if err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	if err := t.client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if err := t.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}

func (t *transactor) promise(_ *kgo.Record, err error) {
	if err == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = err
	}
}

// close gives up what is not committed.
func (t *transactor) close() { t.client.Close() }
