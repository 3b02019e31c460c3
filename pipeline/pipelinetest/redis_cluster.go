//go:build unix

package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// slots is how many a Cluster has
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).
const slots = 16384

// nodeTimeout is how long a node may be silent before others take it for failed.
const nodeTimeout = 2 * time.Second

// RedisCluster is a real Redis Cluster: masters that share the slots evenly, and a
// replica for each of the first ones. Its methods are called one at a time.
type RedisCluster struct {
	Nodes   []*Redis // the masters, as they were at the start, then the replicas
	masters int
	clients []*redis.Client // of each node
	ids     []string
}

// StartRedisCluster starts so many masters and replicas, durable ones, and returns when
// all of them say that the Cluster is whole. ctx bounds the starting. The caller calls
// Stop.
func StartRedisCluster(ctx context.Context, masters, replicas int) (_ *RedisCluster, err error) {
	c := &RedisCluster{masters: masters}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	for range masters + replicas {
		if err := c.startNode(ctx); err != nil {
			return nil, err
		}
	}
	for i, client := range c.clients {
		if err := c.join(ctx, i, client); err != nil {
			return nil, err
		}
	}
	if err := c.Whole(ctx); err != nil {
		return nil, err
	}
	for i, client := range c.clients[masters:] {
		if err := client.ClusterReplicate(ctx, c.ids[i]).Err(); err != nil {
			return nil, err
		}
	}
	for i := range replicas {
		if err := c.followed(ctx, masters+i); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *RedisCluster) startNode(ctx context.Context) error {
	bus, err := freePort()
	if err != nil {
		return err
	}
	node, err := StartRedis(ctx, RedisOptions{Durable: true, Args: []string{"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(bus),
		"--cluster-node-timeout", strconv.FormatInt(nodeTimeout.Milliseconds(), 10)}})
	if err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: node.Addr(), Protocol: 2, DisableIdentity: true})
	c.Nodes, c.clients = append(c.Nodes, node), append(c.clients, client)
	id, err := client.ClusterMyID(ctx).Result()
	c.ids = append(c.ids, id)
	return err
}

// join gives a node its slots, and makes it known to the first one.
func (c *RedisCluster) join(ctx context.Context, i int, client *redis.Client) error {
	if i < c.masters {
		from, to := i*slots/c.masters, (i+1)*slots/c.masters-1
		if err := client.ClusterAddSlotsRange(ctx, from, to).Err(); err != nil {
			return err
		}
	}
	if err := client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil || i == 0 {
		return err
	}
	host, port, err := net.SplitHostPort(c.Nodes[0].Addr())
	if err != nil {
		return err
	}
	return client.Do(ctx, "CLUSTER", "MEET", host, port, c.bus(ctx)).Err()
}

// bus gives the first node's port for other nodes.
func (c *RedisCluster) bus(ctx context.Context) string {
	setting, err := c.clients[0].ConfigGet(ctx, "cluster-port").Result()
	if err != nil {
		return ""
	}
	return setting["cluster-port"]
}

// Whole waits until each node knows all the others and serves.
func (c *RedisCluster) Whole(ctx context.Context) error {
	known := fmt.Sprintf("cluster_known_nodes:%d", len(c.Nodes))
	return until(ctx, "the Cluster is whole", func() (bool, error) {
		for _, client := range c.clients {
			info, err := client.ClusterInfo(ctx).Result()
			if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, known) {
				return false, err
			}
		}
		return true, nil
	})
}

// until asks every few milliseconds.
func until(ctx context.Context, what string, holds func() (bool, error)) error {
	for {
		ok, err := holds()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("waiting in vain until %s", what), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Addrs gives "127.0.0.1:port" of all nodes.
func (c *RedisCluster) Addrs() []string {
	var addrs []string
	for _, n := range c.Nodes {
		addrs = append(addrs, n.Addr())
	}
	return addrs
}

// URL names all nodes, in the form that pipelines take.
func (c *RedisCluster) URL() string { return "redis+cluster://" + strings.Join(c.Addrs(), ",") }

// Slot gives a key's slot.
func (c *RedisCluster) Slot(ctx context.Context, key string) (int, error) {
	slot, err := c.clients[0].ClusterKeySlot(ctx, key).Result()
	return int(slot), err
}

// Owner gives the number of the node that serves a slot, as the first node sees it.
func (c *RedisCluster) Owner(ctx context.Context, slot int) (int, error) {
	shards, err := c.clients[0].ClusterShards(ctx).Result()
	for _, shard := range shards {
		if !slices.ContainsFunc(shard.Slots, func(r redis.SlotRange) bool { return r.Start <= int64(slot) && int64(slot) <= r.End }) {
			continue
		}
		for _, node := range shard.Nodes {
			if i := slices.Index(c.ids, node.ID); i >= 0 && node.Role == "master" {
				return i, err
			}
		}
	}
	return 0, errors.Join(fmt.Errorf("nobody serves slot %d", slot), err)
}

// Move moves a slot to another master while it is used, as redis-cli --cluster reshard
// does: key by key, and returns when all agree. between is called after each step with what was done; nil: nobody.
func (c *RedisCluster) Move(ctx context.Context, slot, to int, between func(step string)) error {
	if between == nil {
		between = func(string) {}
	}
	from, err := c.Owner(ctx, slot)
	if err != nil || from == to {
		return err
	}
	if err := c.clients[to].Do(ctx, "CLUSTER", "SETSLOT", slot, "IMPORTING", c.ids[from]).Err(); err != nil {
		return err
	}
	between("importing")
	if err := c.clients[from].Do(ctx, "CLUSTER", "SETSLOT", slot, "MIGRATING", c.ids[to]).Err(); err != nil {
		return err
	}
	between("migrating")
	if err := c.moveKeys(ctx, slot, from, to, between); err != nil {
		return err
	}
	for _, i := range append([]int{to, from}, c.others(from, to)...) {
		if err := c.clients[i].Do(ctx, "CLUSTER", "SETSLOT", slot, "NODE", c.ids[to]).Err(); err != nil {
			return err
		}
		between("node " + strconv.Itoa(i) + " knows")
	}
	return c.agreed(ctx)
}

// agreed waits until all nodes say the same of all: whose slots are whose, since when.
// One that moves a slot on before can take it with an epoch that others have seen.
func (c *RedisCluster) agreed(ctx context.Context) error {
	return until(ctx, "all nodes say the same of the slots", func() (bool, error) {
		first := ""
		for i, client := range c.clients {
			text, err := client.ClusterNodes(ctx).Result()
			if view := viewOf(text); err != nil || i > 0 && view != first {
				return false, err
			} else if i == 0 {
				first = view
			}
		}
		return true, nil
	})
}

// viewOf gives id, epoch and slots of each node, sorted, out of CLUSTER NODES
// (https://redis.io/docs/latest/commands/cluster-nodes/).
func viewOf(nodes string) string {
	var lines []string
	for line := range strings.Lines(nodes) {
		words := strings.Fields(line)
		if len(words) < 8 {
			continue
		}
		lines = append(lines, strings.Join(append([]string{words[0], words[6]}, words[8:]...), " "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// moveKeys moves the keys that a slot holds, and those that come meanwhile.
func (c *RedisCluster) moveKeys(ctx context.Context, slot, from, to int, between func(step string)) error {
	host, port, err := net.SplitHostPort(c.Nodes[to].Addr())
	if err != nil {
		return err
	}
	for {
		keys, err := c.clients[from].ClusterGetKeysInSlot(ctx, slot, 1).Result()
		if err != nil || len(keys) == 0 {
			return err
		}
		if err := c.clients[from].Migrate(ctx, host, port, keys[0], 0, time.Minute).Err(); err != nil {
			return err
		}
		between("moved " + keys[0])
	}
}

func (c *RedisCluster) others(from, to int) (others []int) {
	for i := range c.masters {
		if i != from && i != to {
			others = append(others, i)
		}
	}
	return others
}

// Failover makes a replica the master in the place of its own, in good order (CLUSTER
// FAILOVER), and returns when it is, and the old master is its replica.
func (c *RedisCluster) Failover(ctx context.Context, replica int) error {
	if err := c.followed(ctx, replica); err != nil {
		return err
	}
	if err := c.clients[replica].ClusterFailover(ctx).Err(); err != nil {
		return err
	}
	err := until(ctx, "the replica is master and has a replica", func() (bool, error) {
		info, err := c.clients[replica].Info(ctx, "replication").Result()
		return strings.Contains(info, "role:master") && strings.Contains(info, "state=online"), err
	})
	return errors.Join(err, c.agreed(ctx))
}

// followed waits until nodes are replicas that have all their masters have.
func (c *RedisCluster) followed(ctx context.Context, replicas ...int) error {
	return until(ctx, "the replicas follow their masters", func() (bool, error) {
		for _, i := range replicas {
			info, err := c.clients[i].Info(ctx, "replication").Result()
			if err != nil || !strings.Contains(info, "master_link_status:up") {
				return false, err
			}
		}
		return true, nil
	})
}

// Stop ends all nodes and removes their directories. It may be called more than once.
func (c *RedisCluster) Stop() error {
	var all []error
	for i, n := range c.Nodes {
		all = append(all, n.Stop())
		if err := c.clients[i].Close(); !errors.Is(err, redis.ErrClosed) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}
