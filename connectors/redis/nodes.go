package redis

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline"
)

// isPattern tells whether a key matches many.
func isPattern(key string) bool { return strings.ContainsAny(key, "*?[") }

// shards gives the keys as they are written, and those of the type that their
// patterns match now, sorted.
func (c *client) shards(ctx context.Context, keys []string, kind string) ([]string, error) {
	var found []string
	for _, key := range keys {
		if !isPattern(key) {
			found = append(found, key)
			continue
		}
		matching, err := c.scan(ctx, key, kind)
		if err != nil {
			return nil, c.classify("looking for keys like "+key, err)
		}
		found = append(found, matching...)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// scan gives the keys of a type that a pattern matches, on all nodes.
func (c *client) scan(ctx context.Context, pattern, kind string) (found []string, err error) {
	if err := c.alone(ctx); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	err = c.eachNode(ctx, func(ctx context.Context, node redis.UniversalClient) error {
		scan := node.ScanType(ctx, 0, pattern, 1000, kind).Iterator()
		for scan.Next(ctx) {
			mu.Lock()
			found = append(found, scan.Val())
			mu.Unlock()
		}
		return scan.Err()
	})
	return found, err
}

// eachNode asks all servers that take writes, at the same time.
func (c *client) eachNode(ctx context.Context, ask func(context.Context, redis.UniversalClient) error) error {
	if c.cluster == nil {
		return ask(ctx, c)
	}
	return c.cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return ask(ctx, node) })
}

// alone refuses a node of a Cluster that is used as if it were the only server:
// patterns would find its own keys only. A server that does not tell is believed.
func (c *client) alone(ctx context.Context) error {
	if c.cluster != nil {
		return nil
	}
	if _, asked := c.said.Load("alone"); asked {
		return nil
	}
	info, err := c.Info(ctx, "cluster").Result()
	if _, answered := errors.AsType[redis.Error](err); err != nil && !answered {
		return err
	}
	if strings.Contains(info, "cluster_enabled:1") {
		return c.oneOfMany()
	}
	c.said.Store("alone", true)
	return nil
}

// oneOfMany is the error of a Cluster's node that is used as if it were the only server.
func (c *client) oneOfMany() error {
	return &pipeline.Error{Class: pipeline.Permanent, What: c.at.String() + " is a node of a Redis Cluster, and url names a single server", Do: "write " + ofCluster}
}

// isRedirection tells whether a node of a Cluster says that another one has the key
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#redirection-and-resharding).
func isRedirection(err error) bool {
	_, _, ok := redirection(err)
	return ok
}

// redirection gives what a node says: MOVED <slot> <host:port>, for good, or ASK
// <slot> <host:port>, while a slot is on its way.
func redirection(err error) (addr string, asking, ok bool) {
	words := strings.Fields(replyOf(err))
	if len(words) != 3 || words[0] != "MOVED" && words[0] != "ASK" {
		return "", false, false
	}
	return words[2], words[0] == "ASK", true
}

// replyOf gives the words of an error that a server has sent; empty: it is none.
func replyOf(err error) string {
	if reply, ok := errors.AsType[replyError](err); ok {
		return string(reply)
	}
	if answer, ok := errors.AsType[redis.Error](err); ok {
		return answer.Error()
	}
	return ""
}

// dial connects to the server that has a key; at: a node that was redirected to.
func (c *client) dial(ctx context.Context, key, at string) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	o, dialer := c.at.servers[0], redis.NewDialer(c.at.servers[0])
	addr := o.Addr
	switch {
	case c.cluster != nil && at != "":
		addr = at
	case c.cluster != nil:
		node, err := c.cluster.MasterForKey(ctx, key)
		if err != nil {
			return nil, err
		}
		addr = node.Options().Addr
	case c.at.master != "":
		dialer = c.UniversalClient.(*redis.Client).Options().Dialer // it asks the Sentinels
	}
	n, err := dialer(ctx, o.Network, addr)
	if err != nil {
		return nil, err
	}
	return greeted(ctx, n, o)
}

// sameHost completes an address that a node has redirected to: without a host it is
// the node's own.
func sameHost(addr string, from net.Addr) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host != "" {
		return addr
	}
	own, _, err := net.SplitHostPort(from.String())
	if err != nil {
		return addr
	}
	return net.JoinHostPort(own, port)
}
