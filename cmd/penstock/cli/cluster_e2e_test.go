//go:build e2e && unix

package cli

import (
	"context"
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/connectors/local"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// TestRedisCluster moves keys of all masters, found by a pattern, while slots are moved
// to and fro and Penstock is killed again and again.
func TestRedisCluster(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	cluster, err := pipelinetest.StartRedisCluster(ctx, 3, 0)
	must(t, err)
	t.Cleanup(func() { must(t, cluster.Stop()) })
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs(), MaxRedirects: 20})
	t.Cleanup(func() { must(t, client.Close()) })
	for _, source := range []string{"redis_list", "redis_stream"} {
		t.Run(source, func(t *testing.T) {
			j := newJob(t, source)
			j.redis, j.url, j.glob = cluster.Addrs()[0], cluster.URL(), j.name+"-*"
			j.keys = nil
			for i := range 6 {
				j.keys = append(j.keys, fmt.Sprintf("%s-%d", j.name, i))
			}
			shop := newShop()
			const events = 6_000
			var world errgroup.Group
			pushing, stop := context.WithCancel(t.Context())
			world.Go(func() error {
				defer stop()
				return pushToCluster(t.Context(), client, j, shop, events)
			})
			world.Go(func() error { return reshard(pushing, cluster, j.keys) })
			for pushing.Err() == nil {
				c := j.start()
				c.Await(soon, "pipeline starts")
				select {
				case <-pushing.Done():
				case <-time.After(1500 * time.Millisecond):
				}
				if !c.Kill() {
					t.Fatalf("it ended by itself: %s", c.Log())
				}
			}
			must(t, world.Wait())
			j.drain()
			j.check(shop)
		})
	}
}

// pushToCluster pushes n events to the job's keys, a user's to one of them.
func pushToCluster(ctx context.Context, client *redis.ClusterClient, j *job, shop *local.Shop, n int) error {
	for i := range n {
		event, user := shop.Append(nil)
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(user)) // never fails
		key := j.keys[int(hash.Sum32())%len(j.keys)]
		var err error
		if j.source == "redis_list" {
			err = client.RPush(ctx, key, event).Err()
		} else {
			err = client.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []any{"payload", event}}).Err()
		}
		if err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
	}
	return nil
}

// reshard moves the slots of keys from node to node, one after the other, until ctx ends.
func reshard(ctx context.Context, cluster *pipelinetest.RedisCluster, keys []string) error {
	for n := 0; ctx.Err() == nil; n++ {
		slot, err := cluster.Slot(context.WithoutCancel(ctx), keys[n%len(keys)])
		if err != nil {
			return err
		}
		if err := cluster.Move(context.WithoutCancel(ctx), slot, (n/len(keys)+n)%3, nil); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond): // what was redirected before has been answered
		}
	}
	return nil
}
