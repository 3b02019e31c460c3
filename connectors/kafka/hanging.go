package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/penstock-io/penstock/pipeline"
)

// A broker that crashes between the answer to EndTxn and the markers can forget to
// write them: seen of Kafka 4.3.1, whose coordinator takes partitions that it does
// not know yet, while it starts, for deleted ones ("Couldn't find leader endpoint for
// partitions … likely deleted already"). The transaction is complete then for the
// coordinator, and open for the partition: readers of read_committed wait behind it,
// and the next marker of the same producer ends it, be it a commit or an abort. So an
// opening lane looks for what hangs, and ends it as it was meant to end.

// outcome is how the last transaction of the lane ended, as its coordinator says.
type outcome struct {
	producer int64
	state    string
}

// commits and aborts tell which markers belong to an outcome. Of a transaction that
// is open the fence makes an aborted one.
func (o outcome) commits() bool { return strings.HasSuffix(o.state, "Commit") }
func (o outcome) aborts() bool {
	return strings.HasSuffix(o.state, "Abort") || o.state == "Ongoing" || o.state == "PrepareEpochFence"
}

// lastOutcome asks the coordinator (DescribeTransactions, KIP-664) before the lane is
// fenced, which makes it forget. Where the sink was interrupted after a fence, that
// knows.
func (l *Lane) lastOutcome(ctx context.Context, admin *kadm.Client) (outcome, error) {
	id := transactionalID(l.id)
	found, err := admin.DescribeTransactions(ctx, id)
	for kerr.IsRetriable(shardError(err)) && wait(ctx, 10*pause) { // a coordinator that loads, or is made at the very first start
		found, err = admin.DescribeTransactions(ctx, id)
	}
	if err = shardError(err); err != nil {
		return outcome{}, denied(err, "Write", positionsTopic)
	}
	t := found[id]
	o := outcome{t.ProducerID, t.State}
	switch {
	case errors.Is(t.Err, kerr.TransactionalIDNotFound):
		return outcome{producer: -1}, nil
	case t.Err != nil:
		return outcome{}, denied(t.Err, "Write", positionsTopic)
	}
	l.sink.mu.Lock()
	defer l.sink.mu.Unlock()
	if known, ok := l.sink.outcomes[l.id.Lane]; ok && known.producer == o.producer && !o.commits() && !o.aborts() {
		return known, nil
	}
	l.sink.outcomes[l.id.Lane] = o
	return o, nil
}

// shardError gives what one broker answered of a request that was sent to several.
func shardError(err error) error {
	if all, ok := errors.AsType[*kadm.ShardErrors](err); ok {
		return all.Errs[0].Err
	}
	return err
}

// endHanging ends what hangs of the last transaction. The lane is fenced: nothing of
// its producer can be open.
func (l *Lane) endHanging(ctx context.Context, admin *kadm.Client, last outcome) error {
	if last.producer < 0 {
		return nil
	}
	hanging, err := l.hanging(ctx, admin, last.producer)
	if err != nil || len(hanging) == 0 {
		return err
	}
	positions := slices.ContainsFunc(hanging, func(p kadm.DescribedProducer) bool { return p.Topic == positionsTopic })
	how := kgo.TryCommit
	switch {
	case last.aborts():
		how = kgo.TryAbort
	case last.commits() || positions: // with the positions all of it is committed
	default:
		return &pipeline.Error{Class: pipeline.Permanent,
			What: fmt.Sprintf("a transaction of %s hangs in %s, and its coordinator has forgotten how it ended", transactionalID(l.id), places(hanging)),
			Do:   "a broker has lost its markers in a crash; see whether its records are in the source still, and end it with kafka-transactions.sh abort if they are"}
	}
	l.sink.log.Warn("a broker has lost the markers of a transaction in a crash; it is ended now as it was meant to",
		"transaction", transactionalID(l.id), "partitions", places(hanging), "ends", last.state)
	return l.endAs(ctx, hanging, how)
}

// hanging finds the partitions in which a transaction of the producer is open
// (DescribeProducers, KIP-664).
func (l *Lane) hanging(ctx context.Context, admin *kadm.Client, producer int64) ([]kadm.DescribedProducer, error) {
	topics := []string{l.sink.settings.Topic}
	if l.sink.deadLetters.Topic != "" {
		topics = append(topics, l.sink.deadLetters.Topic)
	}
	found, err := admin.ListTopics(ctx, topics...)
	if err != nil {
		return nil, err
	}
	wanted := kadm.TopicsSet{positionsTopic: {l.partition: {}}}
	for _, t := range found {
		for p := range t.Partitions {
			wanted.Add(t.Topic, p)
		}
	}
	described, err := admin.DescribeProducers(ctx, wanted)
	if err != nil {
		l.cannotSee(err)
		return nil, nil
	}
	var open []kadm.DescribedProducer
	for _, p := range described.SortedProducers() {
		if p.ProducerID == producer && p.CurrentTxnStartOffset >= 0 {
			open = append(open, p)
		}
	}
	described.EachPartition(func(p kadm.DescribedProducersPartition) {
		if p.Err != nil {
			l.cannotSee(p.Err)
		}
	})
	return open, nil
}

// cannotSee says once that hanging transactions go unnoticed.
func (l *Lane) cannotSee(err error) {
	l.sink.blind.Do(func() {
		l.sink.log.Info("Kafka does not show the producers of a topic", "err", err,
			"so", "a transaction whose markers a broker has lost in a crash goes unnoticed; the right to Read the topics shows them (Kafka 2.8)")
	})
}

func places(hanging []kadm.DescribedProducer) string {
	var names []string
	for _, p := range hanging {
		names = append(names, fmt.Sprintf("%s/%d", p.Topic, p.Partition))
	}
	return strings.Join(names, ", ")
}

// endAs runs a transaction that holds the partitions, and a claim: its markers end
// what hangs there.
func (l *Lane) endAs(ctx context.Context, hanging []kadm.DescribedProducer, how kgo.TransactionEndTry) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	l.produceClaim(ctx) // the client ends no transaction in which nothing was produced
	if err := l.flush(ctx); err != nil {
		return err
	}
	if f := l.failed.Load(); f != nil {
		return l.refused(f)
	}
	if err := l.addPartitions(ctx, hanging); err != nil {
		return err
	}
	if how == kgo.TryCommit {
		return l.end(ctx)
	}
	l.inTransaction = false
	return l.client.EndTransaction(ctx, how)
}

// addPartitions adds partitions to the open transaction (AddPartitionsToTxn, in the
// version for producers).
func (l *Lane) addPartitions(ctx context.Context, hanging []kadm.DescribedProducer) error {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	client, err := l.sink.older(req.Key(), 3)
	if err != nil {
		return err
	}
	defer client.Close()
	req.TransactionalID = transactionalID(l.id)
	if req.ProducerID, req.ProducerEpoch, err = l.client.ProducerID(ctx); err != nil {
		return err
	}
	for _, p := range hanging {
		t := kmsg.NewAddPartitionsToTxnRequestTopic()
		t.Topic, t.Partitions = p.Topic, []int32{p.Partition}
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("add partition %d of topic %s to a transaction: %w", p.Partition, t.Topic, err)
			}
		}
	}
	return nil
}

// older makes a client that sends requests of a kind in no later version than that.
func (s *Sink) older(kind, version int16) (*kgo.Client, error) {
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(kind, version)
	return kgo.NewClient(append(slices.Clip(s.opts), kgo.MaxVersions(versions))...)
}
