package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/penstock-io/penstock/pipeline"
)

const (
	// breath is the pause after a commit where the coordinator does not tell.
	breath = 2 * time.Millisecond
	// glances is how often the coordinator is asked without a pause: an answer
	// takes about as long as the markers, and a timer of less than a millisecond
	// lasts one.
	glances = 4
	// pause is between those that follow.
	pause = time.Millisecond
	// markersPatience is after how long the next transaction begins anyway.
	markersPatience = 100 * time.Millisecond
)

// watchMarkers closes over when the coordinator has written the markers of the
// transaction that was just committed. EndTxn is answered before: a produce that
// comes too early is held back by the broker for
// add.partitions.to.txn.retry.backoff.ms (20 ms, Kafka 4.0), or answered with
// CONCURRENT_TRANSACTIONS by older ones. Asking (DescribeTransactions, KIP-664)
// costs less than guessing, and adapts to brokers and networks of any speed.
func (l *Lane) watchMarkers(over chan struct{}) {
	defer close(over)
	ctx, cancel := context.WithTimeout(l.client.Context(), markersPatience)
	defer cancel()
	admin, id := kadm.NewClient(l.client), transactionalID(l.id)
	for asked := 1; ; asked++ {
		found, err := admin.DescribeTransactions(ctx, id)
		switch state := found[id].State; {
		case err != nil:
			l.doubt.Store(true)
			return
		case found[id].Err != nil || state == "":
			wait(ctx, breath)
			return
		case !underWay(state):
			return
		}
		if asked >= glances && !wait(ctx, pause) {
			l.doubt.Store(true)
			return
		}
	}
}

// underWay tells of a coordinator's state whether it still writes markers.
func underWay(state string) bool { return state == "PrepareCommit" || state == "PrepareAbort" }

// clearDoubt sees, after a commit whose markers were not seen to be written, whether
// they have been. Where a broker has lost them the lane must be opened again: the
// next transaction could end as another one than this did.
func (l *Lane) clearDoubt(ctx context.Context) error {
	admin, id := kadm.NewClient(l.client), transactionalID(l.id)
	for {
		found, err := admin.DescribeTransactions(ctx, id)
		if err != nil {
			return err
		}
		if t := found[id]; t.Err != nil || !underWay(t.State) {
			break
		}
		if !wait(ctx, 10*pause) {
			return ctx.Err()
		}
	}
	producer, _, err := l.client.ProducerID(ctx)
	if err != nil {
		return err
	}
	hanging, err := l.hanging(ctx, admin, producer)
	if err != nil || len(hanging) == 0 {
		return err
	}
	return &pipeline.Error{Class: pipeline.Retryable, What: "a broker has lost the markers of a transaction in a crash, in " + places(hanging)}
}
