package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

const (
	// pingPatience is how long a cluster may take to answer at all.
	pingPatience = 5 * time.Second
	// openPatience is how long the whole opening may take: a coordinator that
	// has just moved loads its log first.
	openPatience = 45 * time.Second
	// rivalPatience is how long a rival that has fenced this producer, and not
	// claimed the lane yet, is given to do so.
	rivalPatience = time.Second
)

// Sink delivers to Kafka: exactly once in transactions, else by an idempotent
// producer, which stores no positions and fences nobody. It is a pipeline.Sink.
type Sink struct {
	settings    SinkSettings
	delivery    pipeline.Delivery
	deadLetters DeadLetters
	log         *slog.Logger
	clock       pipeline.Clock
	opts        []kgo.Opt

	mu     sync.Mutex
	claims map[int]time.Time // when each lane was claimed by this instance
	// suspicious: a rival may have fenced a lane, and not claimed it yet.
	suspicious bool
	unseen     sync.Once       // settings of topics that the user may not see are told of
	blind      sync.Once       // producers of topics that the user may not see are told of
	outcomes   map[int]outcome // of each lane's last transaction, as it was before a fence
}

var _ pipeline.Sink = (*Sink)(nil)

// NewSink makes a sink that keeps a guarantee, and sends dead letters where
// deadLetters says. It connects to nobody. Errors: Permanent, of files and
// settings.
func NewSink(s SinkSettings, delivery pipeline.Delivery, deadLetters DeadLetters, log *slog.Logger) (*Sink, error) {
	opts, err := s.options()
	if err != nil {
		return nil, err
	}
	codecs, err := codec(s.Compression)
	if err != nil {
		return nil, err
	}
	opts = append(opts,
		kgo.ProducerBatchCompression(codecs...),
		kgo.RecordPartitioner(newPartitioner(s, deadLetters.Topic)),
		kgo.TransactionTimeout(s.Transaction),
		kgo.ConcurrentTransactionsBackoff(time.Millisecond),
		kgo.UnknownTopicRetries(-1),
		// The engine bounds what is under way, in batches and bytes; blocking
		// here as well would hold the lane's turn.
		kgo.MaxBufferedRecords(1<<22),
	)
	return &Sink{settings: s, delivery: delivery, deadLetters: deadLetters, log: log, clock: time.Now, opts: opts, claims: map[int]time.Time{}, outcomes: map[int]outcome{}}, nil
}

// Close does nothing: lanes own their connections.
func (s *Sink) Close() error { return nil }

// plain tells whether records go without transactions.
func (s *Sink) plain() bool { return s.delivery != pipeline.ExactlyOnce }

// Open takes the lane, in the steps of the protocol:
//
//  1. fence: a producer with the lane's transactional id runs InitProducerId,
//     which aborts what an earlier owner has open and makes it unable to commit;
//  2. claim: a transaction of its own says who owns the lane now; where another
//     instance may hold other lanes of the pipeline (tasks were more, or fewer), these
//     are fenced too, and the lane is claimed again;
//  3. read the positions, read_committed, until the own claim comes back:
//     whatever an earlier owner committed lies before it.
//
// A lane that this sink has owned before is opened again only after the claims have been read:
// where another instance claimed one meanwhile, the error is Fenced, and nobody is
// fenced in turn; with id.Anew its earlier claim does not count. Lanes of one sink are opened one after the other.
//
// Of a plain sink it only finds the topics: nobody is fenced, and there are no
// positions.
func (s *Sink) Open(ctx context.Context, id pipeline.LaneID) (pipeline.Lane, map[string]pipeline.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	if id.Anew {
		s.forget(id.Lane)
	}
	limits := &limits{}
	opts := append(slices.Clip(s.opts), kgo.ProducerBatchMaxBytesFn(limits.batchBytes))
	if !s.plain() {
		opts = append(opts, kgo.TransactionalID(transactionalID(id)))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, nil, &pipeline.Error{Class: pipeline.Permanent, What: "the Kafka client refuses its settings", Err: err}
	}
	defer context.AfterFunc(ctx, client.Close)() // not all that the client waits for ends with ctx
	l := &Lane{sink: s, id: id, client: client, limits: limits, now: s.clock}
	positions, err := l.open(ctx)
	if err != nil {
		l.Close(ctx) //nolint:errcheck // it is always nil
		return nil, nil, s.opening(err)
	}
	return l, positions, nil
}

// forget makes a lane look like one that was never owned here. What became of it
// meanwhile is the other owner's: also how its last transaction ended.
func (s *Sink) forget(lane int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, owned := s.claims[lane]; owned {
		delete(s.claims, lane)
		delete(s.outcomes, lane)
	}
}

// transactionalID is the identity that Kafka fences by. Frozen.
func transactionalID(id pipeline.LaneID) string {
	if !fences {
		return fmt.Sprintf("penstock.%s.%d.%s", id.Pipeline, id.Lane, id.Instance)
	}
	return fmt.Sprintf("penstock.%s.%d", id.Pipeline, id.Lane)
}

// opening gives an error of Open its class: what is not classed already can
// only be waited for.
func (s *Sink) opening(err error) error {
	if pipeline.ClassOf(err) != pipeline.Retryable {
		return err
	}
	e := &pipeline.Error{Class: pipeline.Unreachable, What: fmt.Sprintf("Kafka at %v cannot be used", s.settings.Brokers), Err: err}
	if errors.Is(err, kerr.SaslAuthenticationFailed) {
		e.Do = checkLogin
	}
	return e
}

// open prepares the topics, fences, claims and reads.
func (l *Lane) open(ctx context.Context) (map[string]pipeline.Position, error) {
	ping, cancel := context.WithTimeout(ctx, pingPatience)
	defer cancel()
	if err := l.client.Ping(ping); err != nil {
		return nil, err
	}
	n, err := l.prepareTopics(ctx, kadm.NewClient(l.client))
	if err != nil || l.sink.plain() {
		return nil, err
	}
	l.partition = partitionOf(l.id.Pipeline, n)
	if err := l.checkRival(ctx); err != nil {
		return nil, err
	}
	admin := kadm.NewClient(l.client)
	last, err := l.lastOutcome(ctx, admin)
	if err != nil {
		return nil, err
	}
	if _, _, err := l.client.ProducerID(ctx); err != nil {
		return nil, denied(err, "Write", positionsTopic)
	}
	if err := l.checkPartitions(ctx, n); err != nil {
		return nil, err
	}
	if err := l.endHanging(ctx, admin, last); err != nil {
		return nil, err
	}
	positions, err := l.takeOver(ctx)
	if err != nil {
		return nil, err
	}
	l.sink.mu.Lock()
	l.sink.claims[l.id.Lane], l.sink.suspicious = l.claimed, false
	delete(l.sink.outcomes, l.id.Lane)
	l.sink.mu.Unlock()
	return positions, nil
}

// wait sleeps, and is false where ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
