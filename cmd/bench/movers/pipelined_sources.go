package movers

import (
	"context"
	"strconv"
	"sync"
)

// moveStreamPipelined is the pipelined loop over a stream.
func moveStreamPipelined(ctx context.Context, job Job) error {
	client := newRedis(job)
	defer client.Close()
	stream := streamReader{client: client, key: job.Key, position: "0-0"}
	read := func(ctx context.Context) (*batch, error) {
		entries, err := stream.read(ctx)
		if err != nil {
			return nil, err
		}
		b := &batch{events: make([][]byte, len(entries)), position: stream.position}
		for i := range entries {
			if b.events[i], err = payloadOf(entries[i]); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	return movePipelined(ctx, job, read, nil)
}

// moveListPipelined is the pipelined loop over a list. The goroutine that reads
// also trims, between two reads: a read beside a trim would skip items.
func moveListPipelined(ctx context.Context, job Job) error {
	client := newRedis(job)
	defer client.Close()
	list := newListReader(client, job.Key)
	var due dueSpan
	read := func(ctx context.Context) (*batch, error) {
		if err := list.trim(ctx, due.take()); err != nil {
			return nil, err
		}
		items, err := list.read(ctx)
		if err != nil {
			return nil, err
		}
		b := &batch{events: make([][]byte, len(items)), span: spanOf(items)}
		for i, item := range items {
			b.events[i] = []byte(item)
		}
		b.position = strconv.FormatInt(list.cursor, 10)
		return b, nil
	}
	if err := movePipelined(ctx, job, read, due.add); err != nil {
		return err
	}
	return list.trim(ctx, due.take())
}

// dueSpan is what is committed and waits to be trimmed.
type dueSpan struct {
	mu   sync.Mutex
	span span
}

func (d *dueSpan) add(s span) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.span.join(s)
}

func (d *dueSpan) take() span {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.span
	d.span = span{}
	return s
}
