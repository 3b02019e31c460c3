package redis

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"

	"github.com/penstock-io/penstock/pipeline"
)

// firstCount is how many records are asked for before their size is known.
const firstCount = 64

// request says how many records to ask for. A server hangs up on a reply that is
// larger than its client-output-buffer-limit
// (https://redis.io/docs/latest/develop/reference/clients/#output-buffer-limits):
// asking for as many again would never end.
type request struct {
	count int // for the next reply, 1 at least
	most  int // what count may grow to, after a reply that did not come whole; 0: no bound
	cuts  int // replies in a row that did not come whole
}

// fit follows a batch that came: a reply is not to be much larger than a batch
// may be. Beyond what the server has refused it grows slowly.
func (q *request) fit(b *pipeline.Batch, limit pipeline.Limit) {
	q.cuts = 0
	if len(b.Records) == 0 {
		return
	}
	size := max(b.Bytes/len(b.Records), 1)
	want := max(1, min(limit.Records, 2*limit.Bytes/size))
	if q.most > 0 {
		q.most += 1 + q.most/8
	}
	if q.most == 0 || want <= q.most {
		q.count, q.most = want, 0
		return
	}
	q.count = q.most
}

// failed follows an error: where the server has hung up twice in a row, less is asked
// for; connections end for many reasons, and a reader that asks for a record at a time
// falls behind. After several of these the error says why that can be.
func (q *request) failed(err error) error {
	if !hungUp(err) {
		return err
	}
	if q.cuts++; q.cuts == 1 {
		return err
	}
	q.count = max(1, q.count/2)
	q.most = q.count
	if q.cuts < 3 {
		return err
	}
	return fmt.Errorf("%w, %d times in a row: something ends connections, or a reply is larger than the server's client-output-buffer-limit; %d at a time are asked for now",
		errHungUp, q.cuts, q.count)
}

// hungUp tells whether the other side has ended the connection.
func hungUp(err error) bool {
	return slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE},
		func(end error) bool { return errors.Is(err, end) })
}
