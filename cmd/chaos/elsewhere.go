package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// with gives a copy of the world in which another Redis stands, and what ends that.
func (w *world) with(url string, connect func() redis.UniversalClient, client redis.UniversalClient, stop func() error) (*world, func() error) {
	other := *w
	other.redis, other.url, other.connect, other.client = nil, url, connect, client
	return &other, func() error { return errors.Join(client.Close(), stop()) }
}

// onCluster starts a Redis Cluster of three masters, the first of which has a replica.
func onCluster(ctx context.Context, w *world) (*world, func() error, error) {
	cluster, err := pipelinetest.StartRedisCluster(ctx, 3, 1)
	if err != nil {
		return nil, nil, err
	}
	// It takes over when it is told to, not when its master is away for a second: then what
	// it had not yet would be lost, and no reader could bring it back.
	if err := configured(ctx, cluster.Nodes[3].Addr(), "cluster-replica-no-failover", "yes"); err != nil {
		return nil, nil, errors.Join(err, cluster.Stop())
	}
	client := func(retries, redirects int) redis.UniversalClient {
		return redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs(), MaxRetries: retries, MaxRedirects: redirects, DialTimeout: time.Second, ReadTimeout: 5 * time.Second})
	}
	other, stop := w.with(cluster.URL(), func() redis.UniversalClient { return client(-1, 5) }, client(20, 20), cluster.Stop)
	other.cluster = cluster
	return other, stop, nil
}

func configured(ctx context.Context, addr, setting, to string) error {
	client := redis.NewClient(&redis.Options{Addr: addr})
	return errors.Join(client.ConfigSet(ctx, setting, to).Err(), client.Close())
}

// onSentinels starts a Redis with a replica, and a Sentinel that watches both.
func onSentinels(ctx context.Context, w *world) (*world, func() error, error) {
	watched, err := pipelinetest.StartRedisSentinels(ctx)
	if err != nil {
		return nil, nil, err
	}
	sentinel, _, _ := strings.Cut(strings.TrimPrefix(watched.URL(), "redis+sentinel://"), "/")
	client := func(retries int) redis.UniversalClient {
		return redis.NewFailoverClient(&redis.FailoverOptions{MasterName: pipelinetest.Watched, SentinelAddrs: []string{sentinel}, MaxRetries: retries,
			DialTimeout: time.Second, ReadTimeout: 5 * time.Second})
	}
	other, stop := w.with(watched.URL(), func() redis.UniversalClient { return client(-1) }, client(20), watched.Stop)
	other.watched = watched
	return other, stop, nil
}

// bounded gives a fault a minute: a Cluster that does not agree says nothing by itself.
func bounded(name string, do func(context.Context, *run) error) fault {
	return fault{name, func(ctx context.Context, r *run) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		return do(ctx, r)
	}}
}

// clusterFaults are what can happen to a Cluster whose nodes keep their writes.
func clusterFaults(s sizes) []fault {
	var all []fault
	for range s.rounds {
		all = append(all, bounded("slots are moved", moveSlots), perJob("kill -9 of Penstock", killAtRandom), bounded("kill -9 of a master", killMaster))
	}
	return append(all, bounded("a replica takes over", takeOver))
}

// moveSlots moves the slot of each pipeline to the next master, step by step, while events
// come, and kills Penstock in the middle of it.
func moveSlots(ctx context.Context, r *run) error {
	for _, j := range r.jobs {
		slot, err := r.cluster.Slot(ctx, j.name)
		if err != nil {
			return err
		}
		owner, err := r.cluster.Owner(ctx, slot)
		if err != nil {
			return err
		}
		if err := r.moveSlot(ctx, j, slot, (owner+1)%3); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) moveSlot(ctx context.Context, j *job, slot, to int) error {
	fatal := j.chance.IntN(6) // after this step
	var failed error
	step := 0
	err := r.cluster.Move(ctx, slot, to, func(string) {
		if step == fatal {
			failed = errors.Join(failed, killAtRandom(ctx, j))
		}
		step++
		failed = errors.Join(failed, r.between(ctx, 0, 100*time.Millisecond))
	})
	return errors.Join(err, failed)
}

// killMaster kills the node that has the first pipeline's key, and starts it again.
func killMaster(ctx context.Context, r *run) error {
	slot, err := r.cluster.Slot(ctx, r.jobs[0].name)
	if err != nil {
		return err
	}
	owner, err := r.cluster.Owner(ctx, slot)
	if err != nil {
		return err
	}
	node := r.cluster.Nodes[owner]
	if err := node.Kill(); err != nil {
		return err
	}
	if err := r.between(ctx, 0, time.Second); err != nil {
		return err
	}
	if err := node.Restart(ctx); err != nil {
		return err
	}
	return r.cluster.Whole(ctx)
}

// takeOver brings all keys to the master that has a replica, which takes over then.
func takeOver(ctx context.Context, r *run) error {
	for _, j := range r.jobs {
		slot, err := r.cluster.Slot(ctx, j.name)
		if err != nil {
			return err
		}
		if err := r.moveSlot(ctx, j, slot, 0); err != nil {
			return err
		}
	}
	return r.cluster.Failover(ctx, 3)
}

// sentinelFaults are those of a Redis whose replica takes over.
func sentinelFaults(s sizes) []fault {
	var all []fault
	for range s.rounds {
		all = append(all, bounded("the master is killed", failOver), perJob("kill -9 of Penstock", killAtRandom))
	}
	return all
}

// failOver kills the master when the replica has all that was acknowledged: what it has
// not, no reader could bring back. Writes wait meanwhile.
func failOver(ctx context.Context, r *run) error {
	master, err := r.watched.Master(ctx)
	if err != nil {
		return err
	}
	replica := 1 - master
	at := redis.NewClient(&redis.Options{Addr: r.watched.Servers[master].Addr(), MaxRetries: -1})
	defer func() { _ = at.Close() }()
	if err := at.Do(ctx, "CLIENT", "PAUSE", 10_000, "WRITE").Err(); err != nil {
		return err
	}
	if err := eventually(ctx, 5*time.Second, "the replica has everything", func() bool { return caughtUp(ctx, at) }); err != nil {
		return err
	}
	if err := errors.Join(r.watched.Patience(ctx, 1000), r.watched.Servers[master].Kill()); err != nil {
		return err
	}
	if err := eventually(ctx, 30*time.Second, "the Sentinel names the replica", func() bool {
		now, err := r.watched.Master(ctx)
		return err == nil && now == replica
	}); err != nil {
		return err
	}
	// A new master that is slow for a second must not be replaced too: what its replica does
	// not have yet would be lost by Redis.
	if err := r.watched.Patience(ctx, 60_000); err != nil {
		return err
	}
	rejoins, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return r.watched.Rejoin(rejoins, master, replica)
}

// caughtUp tells whether the only replica of a master has all it has.
func caughtUp(ctx context.Context, master *redis.Client) bool {
	info, err := master.InfoMap(ctx, "replication").Result()
	if err != nil {
		return false
	}
	all := info["Replication"]
	return all["connected_slaves"] == "1" && strings.Contains(all["slave0"], fmt.Sprintf("offset=%s,", all["master_repl_offset"]))
}
