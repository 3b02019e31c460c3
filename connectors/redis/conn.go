package redis

import (
	"bufio"
	"context"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// answerPatience is how long a server may take to answer what it can answer
	// at once.
	answerPatience = 5 * time.Second
	// readBuffer holds a reply's small parts together.
	readBuffer = 64 << 10
)

// conn is one connection that speaks RESP2
// (https://redis.io/docs/latest/develop/reference/protocol-spec/) and hands out
// the parts of a reply as they come, so that a reply need not fit in memory. Not
// safe for concurrent use, except close. After any error but a replyError it is
// of no use.
type conn struct {
	net *socket
	r   *bufio.Reader
	w   []byte
	met bool // the server was held against what was read
	// asking: a slot of a Cluster is on its way to this node, which answers for it
	// only where each request says that it was redirected
	// (https://redis.io/docs/latest/commands/asking/).
	asking bool
}

// socket is a connection whose reads each have patience of their own: a reply
// that keeps coming is never late, however large it is and whenever it is taken.
type socket struct {
	net.Conn
	patience    time.Duration // of one read
	interrupted atomic.Bool   // for good
}

func (s *socket) Read(p []byte) (int, error) {
	if err := s.SetReadDeadline(time.Now().Add(s.patience)); err != nil {
		return 0, err
	}
	if s.interrupted.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	return s.Conn.Read(p)
}

func (s *socket) Write(p []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(answerPatience)); err != nil {
		return 0, err
	}
	if s.interrupted.Load() {
		return 0, os.ErrDeadlineExceeded
	}
	return s.Conn.Write(p)
}

// interrupt makes what is blocked return, and everything later fail. It is the
// one method that is called beside the others.
func (s *socket) interrupt() {
	s.interrupted.Store(true)
	s.SetDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection is interrupted already
}

// replyError is an error that the server has sent.
type replyError string

func (e replyError) Error() string { return string(e) }

// greeted logs in and chooses the database, as the options say.
func greeted(ctx context.Context, n net.Conn, o *redis.Options) (*conn, error) {
	c := newConn(n)
	defer c.interrupt(ctx)()
	if err := c.greet(o); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func newConn(n net.Conn) *conn {
	s := &socket{Conn: n, patience: answerPatience}
	return &conn{net: s, r: bufio.NewReaderSize(s, readBuffer)}
}

func (c *conn) greet(o *redis.Options) error {
	replies := 1
	switch {
	case o.Username != "":
		c.command("AUTH", o.Username, o.Password)
	case o.Password != "":
		c.command("AUTH", o.Password)
	default:
		replies--
	}
	if o.DB != 0 {
		c.command("SELECT", strconv.Itoa(o.DB))
		replies++
	}
	if replies == 0 {
		return nil
	}
	if err := c.flush(answerPatience); err != nil {
		return err
	}
	for range replies {
		if _, _, err := c.next(); err != nil {
			return err
		}
	}
	return nil
}

// interrupt makes blocked reads and writes return when ctx ends; the connection
// is of no use then. The function it gives ends that.
func (c *conn) interrupt(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, c.net.interrupt)
}

func (c *conn) close() { c.net.Close() } //nolint:errcheck // nothing can be done about it

// command adds a command to what flush will send.
func (c *conn) command(args ...string) {
	if c.asking && len(c.w) == 0 {
		c.w = append(c.w, "*1\r\n$6\r\nASKING\r\n"...)
	}
	c.w = appendHeader(c.w, '*', len(args))
	for _, arg := range args {
		c.w = appendHeader(c.w, '$', len(arg))
		c.w = append(append(c.w, arg...), '\r', '\n')
	}
}

func appendHeader(dst []byte, kind byte, n int) []byte {
	return append(strconv.AppendInt(append(dst, kind), int64(n), 10), '\r', '\n')
}

// flush sends the commands. Each read of the replies must then succeed within
// patience.
func (c *conn) flush(patience time.Duration) error {
	c.net.patience = patience
	_, err := c.net.Write(c.w)
	c.w = c.w[:0]
	if err == nil && c.asking {
		_, err = c.expect('+')
	}
	return err
}

// ready blocks until a reply begins to come.
func (c *conn) ready() error {
	_, err := c.r.Peek(1)
	return err
}
