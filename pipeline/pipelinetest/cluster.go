//go:build unix

package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/errgroup"
)

// clusterSize is how many brokers a cluster has: with replication 3 and
// min.insync.replicas 2, one of them may be away.
const clusterSize = 3

// KafkaClusterOptions says how to start a cluster. The zero value is one of fresh
// brokers on free ports.
type KafkaClusterOptions struct {
	Heap string // of each JVM, "320m"; empty: 1g
	// Front, where it is not nil, is given the address at which a broker listens for
	// clients, and gives the one that clients are told in its place, such as that of
	// a proxy. Brokers speak to each other directly.
	Front      func(broker int, addr string) (string, error)
	Properties map[string]string // added to each server.properties, or instead of what is there
}

// KafkaCluster is three real brokers, each a controller too, whose topics have three
// replicas, two of which must be in sync for a write. Its methods are called one at a
// time.
type KafkaCluster struct {
	Brokers []*Kafka
	addrs   []string
}

// StartKafkaCluster starts three brokers and returns when all replicas are in sync,
// after some 15 seconds. ctx bounds the starting, which takes no longer than a minute.
// The caller calls Stop.
func StartKafkaCluster(ctx context.Context, o KafkaClusterOptions) (*KafkaCluster, error) {
	nodes, addrs, err := o.nodes()
	if err != nil {
		return nil, err
	}
	c := &KafkaCluster{Brokers: make([]*Kafka, clusterSize), addrs: addrs}
	var starting errgroup.Group
	for i, node := range nodes {
		starting.Go(func() (err error) {
			c.Brokers[i], err = StartKafka(ctx, node)
			return err
		})
	}
	err = starting.Wait()
	if err == nil {
		err = c.Settled(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// nodes gives the options of each broker, and the addresses that clients are told.
func (o KafkaClusterOptions) nodes() (nodes []KafkaOptions, addrs []string, err error) {
	cluster, voters := clusterID(), make([]string, clusterSize)
	for i := range clusterSize {
		ports := make([]int, 3)
		for j := range ports {
			if ports[j], err = freePort(); err != nil {
				return nil, nil, err
			}
		}
		plain, inner, controller := loopback(ports[0]), loopback(ports[1]), loopback(ports[2])
		told := plain
		if o.Front != nil {
			if told, err = o.Front(i, plain); err != nil {
				return nil, nil, fmt.Errorf("what stands before broker %d: %w", i+1, err)
			}
		}
		addrs = append(addrs, told)
		id := strconv.Itoa(i + 1)
		voters[i] = id + "@" + controller
		all := map[string]string{
			"node.id":                                          id,
			"listeners":                                        "PLAINTEXT://" + plain + ",INNER://" + inner + ",CONTROLLER://" + controller,
			"advertised.listeners":                             "PLAINTEXT://" + told + ",INNER://" + inner,
			"listener.security.protocol.map":                   "PLAINTEXT:PLAINTEXT,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT",
			"inter.broker.listener.name":                       "INNER",
			"default.replication.factor":                       "3",
			"min.insync.replicas":                              "2",
			"offsets.topic.replication.factor":                 "3",
			"transaction.state.log.replication.factor":         "3",
			"transaction.state.log.min.isr":                    "2",
			"share.coordinator.state.topic.replication.factor": "3",
			"share.coordinator.state.topic.min.isr":            "2",
			"replica.lag.time.max.ms":                          "5000",
		}
		maps.Copy(all, o.Properties)
		nodes = append(nodes, KafkaOptions{Heap: o.Heap, Port: ports[0], Properties: all, cluster: cluster})
	}
	for _, node := range nodes {
		node.Properties["controller.quorum.voters"] = strings.Join(voters, ",")
	}
	return nodes, addrs, nil
}

// Addrs gives the addresses that clients are told, in the order of Brokers.
func (c *KafkaCluster) Addrs() []string { return c.addrs }

// Settled returns when every broker is registered, and every replica in sync: one may
// go again. It takes no longer than a minute.
func (c *KafkaCluster) Settled(ctx context.Context) error {
	return c.Brokers[0].proc.await(ctx, c.settled)
}

func (c *KafkaCluster) settled(ctx context.Context) error {
	direct := make([]string, len(c.Brokers))
	for i, broker := range c.Brokers {
		direct[i] = broker.addr
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(direct...), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	answer, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, client)
	if err != nil {
		return err
	}
	if n := len(answer.Brokers); n < clusterSize {
		return fmt.Errorf("%d of %d brokers are registered", n, clusterSize)
	}
	for _, topic := range answer.Topics {
		for _, p := range topic.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return fmt.Errorf("partition %d of %s: %w", p.Partition, *topic.Topic, err)
			}
			if len(p.ISR) < len(p.Replicas) {
				return fmt.Errorf("partition %d of %s has %d of %d replicas in sync", p.Partition, *topic.Topic, len(p.ISR), len(p.Replicas))
			}
		}
	}
	return nil
}

// Stop ends the brokers and removes their temporary directories. It may be called
// more than once.
func (c *KafkaCluster) Stop() error {
	errs := make([]error, len(c.Brokers))
	var stopping errgroup.Group
	for i, broker := range c.Brokers {
		if broker != nil { // it did not start
			stopping.Go(func() error { errs[i] = broker.Stop(); return nil })
		}
	}
	_ = stopping.Wait() // each keeps its own
	return errors.Join(errs...)
}
