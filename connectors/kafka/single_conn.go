package kafka

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// connIdle is how long a connection may have been unused: brokers close those that
	// are for ten minutes (connections.max.idle.ms).
	connIdle = time.Minute
	// maxAnswer is the size of an answer, in bytes, from which on it is none.
	maxAnswer = 1 << 20
	// Versions of Produce: from the third on a batch has its form of today, the
	// twelfth is the last that names topics by name (KIP-516).
	leastProduce, mostProduce = 3, 12
)

// conn is a connection to a broker on which one goroutine writes a request and reads
// its answer itself. No other goroutine is woken in between, as in a client that
// shares its connections: that is a fifth of the time of a round trip on one machine.
type conn struct {
	net.Conn
	in      *bufio.Reader
	format  *kmsg.RequestFormatter
	produce int16 // the version of Produce that both know
	number  int32 // of the last request
	used    time.Time
	out     []byte
	answer  []byte
}

// dial connects, and asks what the broker speaks.
func (c Connection) dial(ctx context.Context, conf *tls.Config, addr string) (*conn, error) {
	var dialer interface {
		DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	} = &net.Dialer{}
	if conf != nil {
		dialer = &tls.Dialer{Config: conf}
	}
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	to, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	made := &conn{Conn: to, in: bufio.NewReader(to), format: kmsg.NewRequestFormatter(kmsg.FormatterClientID(cmp.Or(c.ClientID, "penstock")))}
	if err := made.agree(ctx); err != nil {
		_ = to.Close()
		return nil, err
	}
	return made, nil
}

// agree finds the version of Produce that both know. It asks in the oldest way, which
// every broker answers. ctx has a deadline.
func (c *conn) agree(ctx context.Context) error {
	resp := kmsg.NewPtrApiVersionsResponse()
	until, _ := ctx.Deadline()
	if err := c.roundTrip(kmsg.NewPtrApiVersionsRequest(), resp, until); err != nil {
		return err
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return err
	}
	for _, key := range resp.ApiKeys {
		if key.ApiKey == int16(kmsg.Produce) && key.MinVersion <= mostProduce && key.MaxVersion >= leastProduce {
			c.produce = min(key.MaxVersion, mostProduce)
			return nil
		}
	}
	return fmt.Errorf("the broker knows no version of Produce from %d to %d", leastProduce, mostProduce)
}

// roundTrip writes a request and reads its answer. After an error the connection is
// of no use, and what became of the request is unknown.
func (c *conn) roundTrip(req kmsg.Request, resp kmsg.Response, until time.Time) error {
	c.used = time.Now()
	if err := c.SetDeadline(until); err != nil {
		return err
	}
	c.number++
	c.out = c.format.AppendRequest(c.out[:0], req, c.number)
	if _, err := c.Write(c.out); err != nil {
		return err
	}
	var size [4]byte
	if _, err := io.ReadFull(c.in, size[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n < 4 || n > maxAnswer {
		return fmt.Errorf("an answer of %d bytes is none", n)
	}
	c.answer = slices.Grow(c.answer[:0], int(n))[:n]
	if _, err := io.ReadFull(c.in, c.answer); err != nil {
		return err
	}
	body := kbin.Reader{Src: c.answer}
	if number := body.Int32(); number != c.number {
		return fmt.Errorf("the answer to request %d came for request %d", number, c.number)
	}
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() && req.Key() != int16(kmsg.ApiVersions) { // KIP-482, KIP-511
		kmsg.SkipTags(&body)
	}
	return resp.ReadFrom(body.Src)
}
