package redis

import (
	"context"
	"errors"
	"sync"
)

// link is a reader's own connection: dialled when it is needed, dropped when it
// has failed. Only close may be called beside the others.
type link struct {
	mu     sync.Mutex
	conn   *conn
	closed bool
}

var errClosed = errors.New("the reader is closed")

// get gives the connection, which ctx interrupts until stop is called.
func (l *link) get(ctx context.Context, c *client) (*conn, func() bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, nil, errClosed
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case l.conn == nil:
		fresh, err := dial(ctx, c.Options())
		if err != nil {
			return nil, nil, err
		}
		l.conn = fresh
	}
	return l.conn, l.conn.interrupt(ctx), nil
}

// drop closes the connection; get dials again.
func (l *link) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.close()
		l.conn = nil
	}
}

// close drops the connection for good.
func (l *link) close() {
	l.drop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}
