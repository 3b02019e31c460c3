package redis

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/penstock-io/penstock/pipeline"
)

// batchOf gives a batch of so many records that hold so many bytes.
func batchOf(records, bytes int) *pipeline.Batch {
	return &pipeline.Batch{Records: make([]pipeline.Record, records), Bytes: bytes}
}

func TestRequestFits(t *testing.T) {
	limit := pipeline.Limit{Records: 1000, Bytes: 1 << 20}
	for name, c := range map[string]struct {
		b    *pipeline.Batch
		want int
	}{
		"nothing came":      {batchOf(0, 0), firstCount},
		"small records":     {batchOf(64, 6400), 1000},
		"larger ones":       {batchOf(64, 64<<14), 128},
		"one that is large": {batchOf(1, 4<<20), 1},
		"empty ones":        {batchOf(64, 0), 1000},
	} {
		q := request{count: firstCount}
		if q.fit(c.b, limit); q.count != c.want {
			t.Errorf("%s: %d are asked for, want %d", name, q.count, c.want)
		}
	}
}

// After replies that did not come whole, twice in a row, fewer are asked for, down to
// one, and then more again, slowly.
func TestRequestAfterAReplyThatWasCut(t *testing.T) {
	limit := pipeline.Limit{Records: 1000, Bytes: 1 << 20}
	q := request{count: 400}
	for _, err := range []error{errors.New("WRONGTYPE"), replyError("OOM full"), &net.OpError{Err: syscall.ECONNREFUSED}} {
		if !errors.Is(q.failed(err), err) || q.count != 400 {
			t.Errorf("after %v %d are asked for", err, q.count)
		}
	}
	for i, err := range []error{io.EOF, io.ErrUnexpectedEOF, &net.OpError{Err: syscall.ECONNRESET}, &net.OpError{Err: syscall.EPIPE}} {
		err = q.failed(err)
		if says := strings.Contains(err.Error(), "client-output-buffer-limit"); q.count != 400>>i || says != (i >= 2) {
			t.Errorf("after %d cuts %d are asked for: %v", i+1, q.count, err)
		}
	}
	batches := 0
	for before := q.count; q.count < 1000; batches++ {
		q.fit(batchOf(q.count, q.count), limit)
		if q.count <= before || q.count > before+1+before/8 && q.count < 1000 {
			t.Fatalf("%d are asked for after %d", q.count, before)
		}
		before = q.count
	}
	if batches < 10 || batches > 60 {
		t.Errorf("it took %d batches to grow again", batches)
	}
	for range 20 { // connections that end now and then say nothing of the size
		_ = q.failed(io.EOF)
		q.fit(batchOf(q.count, q.count), limit)
	}
	if q.count != 1000 {
		t.Errorf("%d are asked for after connections have ended now and then", q.count)
	}
	for range 20 {
		_ = q.failed(io.EOF)
	}
	if q.count != 1 {
		t.Errorf("in the end %d are asked for", q.count)
	}
}
