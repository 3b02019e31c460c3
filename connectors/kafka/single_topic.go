package kafka

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicAge is how long it is believed what a topic looks like, as in the client.
const topicAge = 5 * time.Minute

// singleTopic is what is known of a topic, since when.
type singleTopic struct {
	id      [16]byte
	leaders []leader // by partition
	chosen  singlePartitioner
	since   time.Time
}

// singlePartitioner is the client's own: keys go where it sends them.
type singlePartitioner interface {
	kgo.TopicPartitioner
	kgo.TopicPartitionerOnNewBatch
}

// leader is where a partition is written; no address: nowhere, at present.
type leader struct {
	node int32
	addr string
}

// topic gives what is known of a topic that has a leader for each partition.
func (s *single) topic(ctx context.Context, name string) (*singleTopic, error) {
	if known := s.topics[name]; known != nil && time.Since(known.since) < topicAge {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	resp, err := s.ask(ctx, name)
	if err != nil {
		return nil, err
	}
	found, addrs := resp.Topics[0], map[int32]string{}
	for _, b := range resp.Brokers {
		addrs[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	topic := &singleTopic{id: found.TopicID, leaders: make([]leader, len(found.Partitions)), since: time.Now(),
		chosen: kgo.StickyKeyPartitioner(nil).ForTopic(name).(singlePartitioner)}
	for _, p := range found.Partitions {
		addr, known := addrs[p.Leader]
		if !known || p.Partition < 0 || int(p.Partition) >= len(topic.leaders) {
			return nil, fmt.Errorf("topic %s: partition %d has no leader", name, p.Partition)
		}
		topic.leaders[p.Partition] = leader{p.Leader, addr}
	}
	if len(topic.leaders) == 0 {
		return nil, fmt.Errorf("topic %s has no partitions", name)
	}
	s.topics[name] = topic
	return topic, nil
}

// ask asks what a topic looks like.
func (s *single) ask(ctx context.Context, name string) (*kmsg.MetadataResponse, error) {
	wanted := kmsg.NewMetadataRequestTopic()
	wanted.Topic = new(name)
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{wanted}
	resp, err := req.RequestWith(ctx, s.client)
	if err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 {
		return nil, fmt.Errorf("asked for topic %s, the broker tells of %d", name, len(resp.Topics))
	}
	return resp, kerr.ErrorForCode(resp.Topics[0].ErrorCode)
}
