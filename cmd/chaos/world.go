package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/penstock-io/penstock/cmd/bench/measure"
	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// brokerHeap is small: three brokers share the machine with everything else.
const brokerHeap = "320m"

// world is the servers, with a proxy before each for Penstock. Producers and the checks
// of Redis go there directly.
type world struct {
	redis   *pipelinetest.Redis
	connect func() redis.UniversalClient // makes a client that does not try again
	client  redis.UniversalClient        // direct
	url     string                       // of Redis, as Penstock takes it
	cluster *pipelinetest.RedisCluster   // in the place of redis; nil: there is none
	watched *pipelinetest.RedisSentinels // likewise
	front   *proxy                       // of Redis
	kafka   *pipelinetest.KafkaCluster
	fronts  []*proxy // of the brokers
	admin   *kadm.Client
	brokers *kgo.Client
}

// silent is for what client libraries say beside what they return.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// startWorld starts everything. The caller stops it.
func startWorld(ctx context.Context) (_ *world, err error) {
	redis.SetLogger(silent{})
	w, server := &world{}, newProxyServer()
	defer func() {
		if err != nil {
			err = errors.Join(err, w.stop())
		}
	}()
	if w.redis, err = pipelinetest.StartRedis(ctx, pipelinetest.RedisOptions{Durable: true}); err != nil {
		return nil, err
	}
	w.client = redis.NewClient(&redis.Options{Addr: w.redis.Addr(), MaxRetries: 20, MaxRetryBackoff: 250 * time.Millisecond})
	w.connect = func() redis.UniversalClient {
		return redis.NewClient(&redis.Options{Addr: w.redis.Addr(), MaxRetries: -1, DialTimeout: time.Second, ReadTimeout: 5 * time.Second})
	}
	if w.front, err = newProxy(server, "redis", w.redis.Addr()); err != nil {
		return nil, err
	}
	w.url = "redis://" + w.front.addr() + "/0"
	w.kafka, err = pipelinetest.StartKafkaCluster(ctx, pipelinetest.KafkaClusterOptions{
		Heap: brokerHeap,
		Front: func(broker int, addr string) (string, error) {
			p, err := newProxy(server, fmt.Sprint("broker ", broker+1), addr)
			if err != nil {
				return "", err
			}
			w.fronts = append(w.fronts, p)
			return p.addr(), nil
		},
		Properties: map[string]string{"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500"},
	})
	if err != nil {
		return nil, err
	}
	w.brokers, err = kgo.NewClient(kgo.SeedBrokers(w.kafka.Addrs()...), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return nil, err
	}
	w.admin = kadm.NewClient(w.brokers)
	return w, nil
}

// logs gives the paths of what the Redis servers say.
func (w *world) logs() (paths []string) {
	if w.redis != nil {
		paths = append(paths, w.redis.Log())
	}
	if w.cluster != nil {
		for _, node := range w.cluster.Nodes {
			paths = append(paths, node.Log())
		}
	}
	if w.watched != nil {
		paths = append(paths, w.watched.Logs()...)
	}
	return paths
}

// stop ends everything.
func (w *world) stop() error {
	var errs []error
	if w.brokers != nil {
		w.brokers.Close()
	}
	if w.client != nil {
		errs = append(errs, w.client.Close())
	}
	for _, p := range append(w.fronts, w.front) {
		if p != nil {
			p.refuse()
		}
	}
	if w.kafka != nil {
		errs = append(errs, w.kafka.Stop())
	}
	if w.redis != nil {
		errs = append(errs, w.redis.Stop())
	}
	return errors.Join(errs...)
}

// wait sleeps, or ends with ctx.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// eventually waits until ok is true; after within it is an error.
func eventually(ctx context.Context, within time.Duration, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("not within %v: %s", within, what))
	defer cancel()
	for !ok() {
		if wait(ctx, 50*time.Millisecond) != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// each runs the same on every broker, at once.
func (w *world) each(use func(*pipelinetest.Kafka) error) error {
	var all errgroup.Group
	for _, b := range w.kafka.Brokers {
		all.Go(func() error { return use(b) })
	}
	return all.Wait()
}

// fronted does something to the proxies of all brokers.
func (w *world) fronted(use func(*proxy) error) error {
	var errs []error
	for _, p := range w.fronts {
		errs = append(errs, use(p))
	}
	return errors.Join(errs...)
}

// leader gives the number of the broker that leads a partition of a topic.
func (w *world) leader(ctx context.Context, topic string, partition int32) (int, error) {
	var id int32
	err := eventually(ctx, 30*time.Second, "topic "+topic+" has a leader", func() bool {
		found, err := w.admin.ListTopics(ctx, topic)
		if err != nil {
			return false
		}
		p, ok := found[topic].Partitions[partition]
		id = p.Leader
		return ok && id > 0
	})
	return int(id) - 1, err
}

// coordinator gives the number of the broker that coordinates a pipeline's
// transactions.
func (w *world) coordinator(ctx context.Context, pipeline string) (int, error) {
	id, broker := "penstock."+pipeline+".0", int32(0)
	err := eventually(ctx, 30*time.Second, "transactions of "+pipeline+" have a coordinator", func() bool {
		found := w.admin.FindTxnCoordinators(ctx, id)
		broker = found[id].NodeID
		return found[id].Err == nil && broker > 0
	})
	return int(broker) - 1, err
}

// versions gives those of the servers, "unknown" where they do not tell.
func (w *world) versions(ctx context.Context) (redis, kafka string) {
	redis, kafka = "unknown", "unknown"
	if info, err := w.client.InfoMap(ctx, "server").Result(); err == nil {
		redis = info["Server"]["redis_version"]
	}
	if topics, err := measure.NewKafka(w.kafka.Addrs()); err == nil {
		defer topics.Close()
		if version, err := topics.Version(ctx); err == nil {
			kafka = version
		}
	}
	return redis, kafka
}
