package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
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
		if state := found[id].State; err != nil || found[id].Err != nil || state == "" {
			wait(ctx, breath)
			return
		} else if state != "PrepareCommit" && state != "PrepareAbort" {
			return
		}
		if asked >= glances && !wait(ctx, pause) {
			return
		}
	}
}
