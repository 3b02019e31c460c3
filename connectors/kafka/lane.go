package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

// Lane is one producer, transactional unless the sink is plain. It is a
// pipeline.Lane; Sink.Open makes it.
type Lane struct {
	sink      *Sink
	id        pipeline.LaneID
	client    *kgo.Client
	limits    *limits
	now       pipeline.Clock
	partition int32 // of the positions
	// writePartitions is the number of partitions to write down with the claim;
	// 0: it stands already.
	writePartitions int
	claimed         time.Time // when this lane claimed, to know its own claim again

	inTransaction bool // a transaction has begun
	// over is closed when the coordinator is done with the last transaction. nil:
	// there was none.
	over     chan struct{}
	doubt    atomic.Bool // its markers were not seen to be written
	slabs    slabs
	watching sync.WaitGroup
	busy     sync.Mutex // held by Write and Commit
	closed   atomic.Bool
	// failed is the first refusal since the transaction began.
	failed atomic.Pointer[failure]
}

var _ pipeline.Lane = (*Lane)(nil)

// failure is the first refusal of a transaction.
type failure struct {
	topic  string
	shard  string // of the source; with offset, where ours
	offset pipeline.Offset
	ours   bool // a record of the source, not a position or claim
	err    error
}

var errLaneClosed = errors.New("the lane is closed")

// begin opens a transaction, where none is open.
func (l *Lane) begin(ctx context.Context) error {
	switch {
	case l.closed.Load():
		return errLaneClosed
	case l.inTransaction || l.sink.plain():
		return nil
	}
	if l.over != nil {
		select {
		case <-l.over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if l.doubt.Load() {
		if err := l.clearDoubt(ctx); err != nil {
			return err
		}
		l.doubt.Store(false)
	}
	if err := l.client.BeginTransaction(); err != nil {
		return err
	}
	l.failed.Store(nil)
	l.inTransaction = true
	return nil
}

// produce hands a record to the client. It does not wait.
func (l *Lane) produce(ctx context.Context, r *kgo.Record) { l.client.Produce(ctx, r, l.promise) }

// promise keeps the first refusal of a transaction.
func (l *Lane) promise(r *kgo.Record, err error) {
	if err != nil {
		l.failed.CompareAndSwap(nil, &failure{topic: r.Topic, err: err})
	}
}

// end flushes and commits. Nothing is committed unless every record was taken:
// the client would commit what succeeded.
func (l *Lane) end(ctx context.Context) error {
	err := l.flush(ctx)
	if f := l.failed.Load(); f != nil {
		return l.refused(f)
	}
	if err != nil || l.sink.plain() {
		return err
	}
	// A commit under way is never cancelled: its outcome would be unknown for
	// no reason. Close ends it, if it must be.
	if err := l.client.EndTransaction(context.WithoutCancel(ctx), kgo.TryCommit); err != nil {
		l.suspect(err)
		if isDenied(err) {
			return denied(err, "Write", l.sink.settings.Topic)
		}
		return &pipeline.Error{Class: pipeline.Retryable, What: "the outcome of a Kafka transaction is unknown", Err: err}
	}
	l.inTransaction = false
	over := make(chan struct{})
	l.over = over
	l.watching.Go(func() { l.watchMarkers(over) })
	return nil
}

// flush waits until every record was taken or refused, for as long as Kafka
// waits for a silent producer.
func (l *Lane) flush(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, l.sink.settings.Transaction)
	defer cancel()
	err := l.client.Flush(limited)
	if err == nil && l.failed.Load() == nil && !l.sink.plain() {
		err = l.noted(limited)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case l.closed.Load():
		return errLaneClosed
	default:
		return l.stalled(ctx)
	}
}

// noted waits until the client has taken note of each topic that the lane's records
// went to, that of the positions among them. franz-go 1.22 does so after it has let
// the first records go there, and an EndTransaction that comes before passes such a
// topic over. It does not start its sequence numbers anew: the next transaction is
// refused with OUT_OF_ORDER_SEQUENCE_NUMBER. Before Kafka 4.0 the partition is not
// added to the next transaction either. And where it is the only topic, nothing seems
// produced: the transaction is aborted, and the client says that all went well.
func (l *Lane) noted(ctx context.Context) error {
	if err := l.notedAt(ctx, positionsTopic, l.partition); err != nil {
		return err
	}
	for topic, partition := range l.slabs.unnoted() {
		if err := l.notedAt(ctx, topic, partition); err != nil {
			return err
		}
		l.slabs.note(topic)
	}
	return nil
}

// notedAt waits until the client has taken note of a partition, which tells of the
// whole topic.
func (l *Lane) notedAt(ctx context.Context, topic string, partition int32) error {
	for {
		if leader, _, _ := l.client.PartitionLeader(topic, partition); leader >= 0 {
			return nil
		}
		if l.closed.Load() {
			return errLaneClosed
		}
		if !wait(ctx, time.Millisecond) {
			return ctx.Err()
		}
	}
}

// suspect remembers that a rival may have fenced this lane: the next opening
// looks for its claim more patiently.
func (l *Lane) suspect(err error) {
	if isFenced(err) {
		l.sink.mu.Lock()
		defer l.sink.mu.Unlock()
		l.sink.suspicious = true
	}
}

// refused tells whether a record, or something that passes, made a produce
// fail.
func (l *Lane) refused(f *failure) error {
	if isDenied(f.err) {
		return denied(f.err, "Write", f.topic)
	}
	if !isRecordsFault(f.err) {
		l.suspect(f.err)
		return &pipeline.Error{Class: pipeline.Retryable, What: "Kafka did not take the records for topic " + f.topic, Err: f.err}
	}
	if f.ours {
		return &pipeline.Refused{Shard: f.shard, Offset: f.offset, Err: f.err}
	}
	return f.err
}

// Commit delivers what was written, with the positions, in one transaction. Of a
// plain sink it waits until all that was written is acknowledged.
func (l *Lane) Commit(ctx context.Context, positions map[string]pipeline.Position) error {
	l.busy.Lock()
	defer l.busy.Unlock()
	if err := l.begin(ctx); err != nil {
		return err
	}
	if l.sink.plain() {
		return l.end(ctx)
	}
	now := l.now()
	for shard, p := range positions {
		l.produce(ctx, positionRecord(l.id, l.partition, shard, p, now))
	}
	return l.end(ctx)
}

// Close drops what is not committed. Where a Commit is blocked, it ends that; the
// broker aborts the transaction then when the lane's next owner fences this one,
// or by its time-out.
func (l *Lane) Close(ctx context.Context) error {
	l.closed.Store(true)
	if l.busy.TryLock() {
		l.abort(ctx)
		l.busy.Unlock()
	}
	l.client.Close()
	l.busy.Lock() // whoever was blocked has come back
	defer l.busy.Unlock()
	l.watching.Wait()
	return nil
}

// abort ends the open transaction, if there is one and it can be done quickly.
func (l *Lane) abort(ctx context.Context) {
	if !l.inTransaction {
		return
	}
	l.inTransaction = false
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := l.client.AbortBufferedRecords(ctx)
	if err == nil {
		err = l.client.EndTransaction(ctx, kgo.TryAbort)
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		l.sink.log.Debug("an abandoned transaction was not aborted; the broker does it", "err", err)
	}
}
