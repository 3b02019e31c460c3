package redis

import (
	"context"
	"errors"
	"sync"
)

// link is a reader's own connection: dialled when it is needed, dropped when it
// has failed. Only close and usable may be called beside the others.
type link struct {
	mu     sync.Mutex
	conn   *conn
	hangUp context.CancelFunc // ends the dialling that goes on; nil: none does
	closed bool

	// Of a Cluster: where the next connection goes, and how often in a row the last
	// ones were redirected.
	next   string // empty: to whom the slots' map names
	asking bool
	hops   int
}

// maxHops is how often in a row a redirection is followed at once.
const maxHops = 5

var errClosed = errors.New("the reader is closed")

// get gives the connection to the server that has the key, which ctx interrupts until stop is called.
func (l *link) get(ctx context.Context, c *client, key string) (_ *conn, stop func() bool, err error) {
	l.mu.Lock()
	open, closed := l.conn, l.closed
	l.mu.Unlock()
	switch {
	case closed:
		return nil, nil, errClosed
	case ctx.Err() != nil:
		return nil, nil, ctx.Err()
	case open == nil:
		if open, err = l.dial(ctx, c, key); err != nil {
			return nil, nil, err
		}
	default:
		l.hops = 0
	}
	return open, open.interrupt(ctx), nil
}

// dial makes the connection. It does not hold up close.
func (l *link) dial(ctx context.Context, c *client, key string) (*conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.hangUp = cancel
	l.mu.Unlock()
	if err := l.usable(); err != nil {
		return nil, err
	}
	next, asking := l.next, l.asking
	l.next, l.asking = "", false
	fresh, err := c.dial(ctx, key, next)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hangUp = nil
	switch {
	case err != nil && l.closed:
		return nil, errClosed
	case err != nil:
		return nil, err
	case l.closed:
		fresh.close()
		return nil, errClosed
	}
	fresh.asking = asking
	l.conn = fresh
	return fresh, nil
}

// follow takes a redirection of a Cluster: the connection is dropped, and the next one
// goes where it says. False: err is none, or one too many in a row.
func (l *link) follow(err error, c *client) bool {
	addr, asking, ok := redirection(err)
	if !ok || c.cluster == nil || l.hops >= maxHops {
		return false
	}
	l.mu.Lock()
	if l.conn != nil {
		addr = sameHost(addr, l.conn.net.RemoteAddr())
	}
	l.mu.Unlock()
	l.drop()
	c.cluster.ReloadState(context.Background())
	l.next, l.asking = addr, asking
	l.hops++
	return true
}

// usable is an error once the link is closed.
func (l *link) usable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	return nil
}

// spent tells whether the connection was interrupted, if only after the last
// exchange had ended.
func (l *link) spent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn != nil && l.conn.net.interrupted.Load()
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
	l.mu.Lock()
	l.closed = true
	if l.hangUp != nil {
		l.hangUp()
	}
	l.mu.Unlock()
	l.drop()
}
