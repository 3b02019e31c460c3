package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// client is what the shards of a source share: a go-redis client, and how to dial
// connections of their own. One server, a Cluster, or whom Sentinels name.
type client struct {
	redis.UniversalClient
	at      *address
	cluster *redis.ClusterClient // nil: it is none
	log     *slog.Logger
	said    sync.Map // what is said once
}

// newClient makes a client. It connects to nobody yet.
func (c Connection) newClient(log *slog.Logger) (*client, error) {
	at, wrong := c.parse()
	if wrong != nil {
		return nil, &pipeline.Error{Class: pipeline.Permanent, What: "url of Redis: " + wrong.What, Do: wrong.Do}
	}
	if at.servers[0].TLSConfig != nil && (at.cluster || at.master != "") {
		at.servers[0].TLSConfig.ServerName = "" // each has its own
	}
	if err := c.TLS.apply(at.servers[0]); err != nil {
		return nil, err
	}
	shared := &client{UniversalClient: at.client(), at: at, log: log}
	shared.cluster, _ = shared.UniversalClient.(*redis.ClusterClient)
	return shared, nil
}

func (t *TLS) apply(o *redis.Options) error {
	if t == nil {
		return nil
	}
	if o.TLSConfig == nil {
		o.TLSConfig = &tls.Config{}
	}
	o.TLSConfig.MinVersion = tls.VersionTLS12
	if t.ServerName != "" {
		o.TLSConfig.ServerName = t.ServerName
	}
	if t.CAFile == "" {
		return nil
	}
	pem, err := os.ReadFile(t.CAFile)
	if err != nil {
		return &pipeline.Error{Class: pipeline.Permanent, What: "tls.ca_file of Redis cannot be read", Err: err}
	}
	o.TLSConfig.RootCAs = x509.NewCertPool()
	if !o.TLSConfig.RootCAs.AppendCertsFromPEM(pem) {
		return &pipeline.Error{Class: pipeline.Permanent, What: "tls.ca_file of Redis holds no certificate", Do: "write the path of a PEM file"}
	}
	return nil
}

// Close closes the connections. It may be called more than once.
func (c *client) Close() error {
	if err := c.UniversalClient.Close(); !errors.Is(err, redis.ErrClosed) {
		return err
	}
	return nil
}

// checkType refuses a key that holds something else.
func (c *client) checkType(ctx context.Context, key, want string) error {
	kind, err := c.Type(ctx, key).Result()
	if err != nil {
		return c.classify("looking at "+key, err)
	}
	if kind != want && kind != "none" {
		return &pipeline.Error{Class: pipeline.Permanent, What: fmt.Sprintf("key %s in Redis holds a %s, not a %s", key, kind, want),
			Do: "check keys in the source, and who writes there"}
	}
	return nil
}

var errHungUp = errors.New("the server closed the connection")

// classify gives an error of Redis, or of the way to it, its class.
func (c *client) classify(doing string, err error) error {
	if c.cluster == nil && isRedirection(err) {
		return c.oneOfMany()
	}
	return classify(c.at.String(), doing, err)
}

func classify(server, doing string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, classed := errors.AsType[*pipeline.Error](err); classed {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errHungUp
	}
	out := &pipeline.Error{Class: pipeline.Unreachable, What: server + ", " + doing, Err: err}
	var answer redis.Error
	if reply, ok := errors.AsType[replyError](err); !ok && !errors.As(err, &answer) {
		return out // the way to it: no connection, no answer in time
	} else if ok {
		answer = redis.Error(redisReply{reply})
	}
	word, _, _ := strings.Cut(answer.Error(), " ")
	switch word {
	case "WRONGTYPE": // somebody has put something else at the key
		out.Class, out.Do = pipeline.Permanent, "check keys and topics, and who writes there"
	case "NOAUTH", "WRONGPASS", "NOPERM": // until somebody grants it
		out.Do = "check user and password, and the user's ACL"
	case "LOADING", "MASTERDOWN", "CLUSTERDOWN", "READONLY", "TRYAGAIN", "BUSY": // passes by itself
	case "MOVED", "ASK": // a Cluster is moving slots, and the client has not followed yet
	default:
		out.Class = pipeline.Retryable
	}
	return out
}

// redisReply makes a replyError look like one of go-redis.
type redisReply struct{ replyError }

func (redisReply) RedisError() {}

// absent says once, of a server that cannot tell something, what follows.
func (c *client) absent(capability, consequence string) {
	if _, said := c.said.LoadOrStore(capability, true); !said {
		c.log.Info("this Redis lacks a capability", "capability", capability, "so", consequence)
	}
}
