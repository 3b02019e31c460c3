package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/penstock-io/penstock/pipeline"
)

const (
	// roomPatience is how long reading waits for a partition that is slow, before
	// it goes on without it.
	roomPatience = 100 * time.Millisecond
	// revokePatience is how long messages of a partition that moves to another
	// member have left to be acknowledged, so that they do not come twice.
	revokePatience = time.Second
)

// subscription is one Subscribe: a client, the partitions it reads now, and one
// goroutine, run, that hands what is fetched to the partitions.
type subscription struct {
	config SubscriberConfig
	topic  string
	output chan *message.Message
	log    watermill.LoggerAdapter
	ctx    context.Context // ends with the subscription
	cancel context.CancelFunc
	client *kgo.Client

	taken chan struct{} // an assignment has room again

	mu         sync.Mutex // held by run between polls, and by a rebalance
	partitions map[int32]*assigned
}

// connect makes the client and returns when a broker has answered.
func (s *subscription) connect(opts []kgo.Opt) error {
	opts = slices.Clip(opts)
	switch {
	case s.config.ConsumerGroup != "":
		opts = append(append(opts, kgo.ConsumeTopics(s.topic)), s.group()...)
	case s.config.Start == Newest:
		ends, err := s.ends(opts)
		if err != nil {
			return err
		}
		opts = append(opts, kgo.ConsumePartitions(ends))
	default:
		opts = append(opts, kgo.ConsumeTopics(s.topic))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, pingPatience)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		client.CloseAllowingRebalance()
		return &pipeline.Error{Class: pipeline.Unreachable, What: "no Kafka broker answers", Err: err}
	}
	s.client = client
	return nil
}

// group gives the options of a group's member.
func (s *subscription) group() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.ConsumerGroup(s.config.ConsumerGroup),
		kgo.HeartbeatInterval(heartbeat),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(commitInterval),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, moved map[string][]int32) {
			s.release(moved[s.topic], revokePatience)
			s.commit(ctx)
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
			s.release(lost[s.topic], 0)
		}),
	}
	if s.config.Start == Newest {
		opts = append(opts, kgo.ConsumeStartOffset(kgo.NewOffset().AtEnd()))
	}
	return opts
}

// ends gives where each partition of the topic ends now.
func (s *subscription) ends(opts []kgo.Opt) (map[string]map[int32]kgo.Offset, error) {
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(s.ctx, pingPatience)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, s.topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, &pipeline.Error{Class: pipeline.Unreachable, What: "Kafka does not say where the topic ends", Err: denied(err, "Read", s.topic)}
	}
	return ends.KOffsets(), nil
}

// run reads until the subscription ends, and closes everything.
func (s *subscription) run() {
	defer close(s.output)
	defer s.cancel()
	for s.ctx.Err() == nil {
		fetches := s.client.PollFetches(s.ctx)
		fetches.EachError(func(_ string, partition int32, err error) {
			if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
				s.log.Error("Kafka cannot be read; trying again", err, watermill.LogFields{"partition": partition})
			}
		})
		s.mu.Lock()
		fetches.EachPartition(func(p kgo.FetchTopicPartition) { s.assignedOf(p.Partition).give(p.Records) })
		s.waitForRoom()
		s.mu.Unlock()
		s.client.AllowRebalance()
	}
	s.mu.Lock()
	for _, c := range s.partitions {
		c.stop(0)
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), closePatience)
	defer cancel()
	s.commit(ctx)
	s.leave(ctx)
	s.client.CloseAllowingRebalance()
}

// leave tells the group that this member goes, so that others need not wait.
func (s *subscription) leave(ctx context.Context) {
	if s.config.ConsumerGroup == "" {
		return
	}
	s.client.AllowRebalance()
	if err := s.client.LeaveGroupContext(ctx); err != nil {
		s.log.Error("the consumer group was not left; it waits for this member until its session ends", err, nil)
	}
}

// commit commits what is acknowledged.
func (s *subscription) commit(ctx context.Context) {
	if s.config.ConsumerGroup == "" {
		return
	}
	if err := s.client.CommitMarkedOffsets(ctx); err != nil {
		s.log.Error("acknowledged messages will come again: their offsets were not committed", err, nil)
	}
}

// assignedOf gives the assignment of a partition, a new one where there is none. The
// client hands out records of partitions only that are this member's until
// AllowRebalance.
func (s *subscription) assignedOf(partition int32) *assigned {
	c, ok := s.partitions[partition]
	if !ok {
		c = newAssigned(s, partition)
		s.partitions[partition] = c
	}
	return c
}

// waitForRoom waits until every partition has taken what it was given, and pauses those
// that do not in time: others do not wait for them, and memory is bounded.
func (s *subscription) waitForRoom() {
	timer := time.NewTimer(roomPatience)
	defer timer.Stop()
	for {
		full := false
		for _, c := range s.partitions {
			full = full || c.isFull()
		}
		if !full {
			return
		}
		select {
		case <-s.taken:
		case <-timer.C:
			for _, c := range s.partitions {
				c.pauseIfFull()
			}
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// release ends the assignment of partitions. Their messages have so long left to be
// acknowledged.
func (s *subscription) release(partitions []int32, patience time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	deadline := time.Now().Add(patience)
	for _, p := range partitions {
		if c := s.partitions[p]; c != nil {
			c.end()
		}
	}
	for _, p := range partitions {
		if c := s.partitions[p]; c != nil {
			c.stop(time.Until(deadline))
			delete(s.partitions, p)
		}
	}
}
