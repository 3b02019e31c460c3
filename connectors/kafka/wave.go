package kafka

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// wavesUnderWay is how many waves are out at a time. With fewer the broker waits for
	// the client, with more the requests become small.
	wavesUnderWay = 3
	// waveAge is how long others wait for a wave: a partition without a leader holds up
	// its own records, and no others for longer than this.
	waveAge = 5 * time.Millisecond
)

// waves hand the records of many calls to the client, together: what comes while some
// are under way gathers, and goes when one of them has arrived. Many requests of a few
// records cost broker and client more than a few of many do. Nothing waits for others
// longer than waveAge, and what comes when little is under way goes at once.
type waves struct {
	client *kgo.Client

	mu       sync.Mutex
	underWay int // waves
	gathered []sending
}

// sending is a record of a call.
type sending struct {
	record  *kgo.Record
	promise func(*kgo.Record, error)
}

// send hands over the records of a call, in order, now or with a wave to come.
func (w *waves) send(records []*kgo.Record, promise func(*kgo.Record, error)) {
	if all := w.join(records, promise); all != nil {
		w.start(all)
	}
}

// join adds the records of a call to those that wait. It gives them all when they are
// to go now.
func (w *waves) join(records []*kgo.Record, promise func(*kgo.Record, error)) []sending {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range records {
		w.gathered = append(w.gathered, sending{r, promise})
	}
	if w.underWay == wavesUnderWay || len(w.gathered) == 0 {
		return nil
	}
	w.underWay++
	all := w.gathered
	w.gathered = nil
	return all
}

// start hands records to the client. The wave is over when the last is settled, or
// when it has lasted too long: then the next starts. It may do so in a promise, where
// Produce must not wait: it never does, since maxBuffered is more than can be there.
func (w *waves) start(all []sending) {
	over := sync.OnceFunc(func() {
		if next := w.next(); next != nil {
			w.start(next)
		}
	})
	late := time.AfterFunc(waveAge, over)
	var left atomic.Int64
	left.Store(int64(len(all)))
	for _, s := range all {
		// The client gives up a whole batch, of whomever, when the context of a
		// record in it ends: records have none.
		w.client.Produce(context.Background(), s.record, func(r *kgo.Record, err error) {
			if left.Add(-1) == 0 {
				late.Stop()
				over()
			}
			s.promise(r, err)
		})
	}
}

// next gives the records that go after a wave; nil: none wait, and one wave fewer is
// under way.
func (w *waves) next() []sending {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.gathered
	w.gathered = nil
	if all == nil {
		w.underWay--
	}
	return all
}
