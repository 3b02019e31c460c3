package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// singleBytes is the size of the largest record that is sent singly.
	singleBytes = 64 << 10
	// singleRest is how long nothing is sent singly after something went wrong.
	singleRest = time.Second
	// singlePatience is how long a broker may take over one record, before it is asked
	// again whether it has it.
	singlePatience = 10 * time.Second
)

// errUnknownOutcome is of a record that some broker may have taken.
var errUnknownOutcome = errors.New("it is not known whether Kafka has it, it may still arrive")

// single sends records one at a time, each on a connection of its own to the leader
// of its partition. It is an idempotent producer beside the client's: what it sends
// again is stored once (KIP-98). It sends one record at once, and whatever is not plain
// sailing it leaves to the client.
type single struct {
	connection Connection
	tls        *tls.Config
	client     *kgo.Client

	mu        sync.Mutex // held while a record is sent
	id        producerID // id -1: none
	next      map[place]int32
	topics    map[string]*singleTopic
	conns     map[string]*conn // by address
	restUntil time.Time
}

// producerID is what a broker knows an idempotent producer by.
type producerID struct {
	id    int64
	epoch int16
}

type place struct {
	topic     string
	partition int32
}

func newSingle(connection Connection, client *kgo.Client) (*single, error) {
	s := &single{connection: connection, client: client, topics: map[string]*singleTopic{}, conns: map[string]*conn{}}
	s.forget()
	if connection.TLS == nil {
		return s, nil
	}
	conf, err := connection.TLS.config()
	s.tls = conf
	return s, err
}

// sendSingly sends a record by one of some singles, if any is free, and returns when
// all in-sync replicas have it. Not sent means that it is nowhere and never will be: the
// client may send it.
func sendSingly(ctx context.Context, by []*single, r *kgo.Record) (sent bool, err error) {
	for _, s := range by {
		if s.mu.TryLock() {
			defer s.mu.Unlock()
			return s.send(ctx, r)
		}
	}
	return false, nil
}

// send is sendSingly by this one.
func (s *single) send(ctx context.Context, r *kgo.Record) (sent bool, err error) {
	r.Timestamp = time.Now()
	if r.Timestamp.Before(s.restUntil) {
		return false, nil
	}
	sent, err = s.try(ctx, r)
	if !sent || err != nil {
		s.restUntil = time.Now().Add(singleRest)
	}
	return sent, err
}

// try sends a record where everything is as it is expected.
func (s *single) try(ctx context.Context, r *kgo.Record) (sent bool, err error) {
	topic, err := s.topic(ctx, r.Topic)
	if err != nil {
		return false, nil //nolint:nilerr // the client finds the same, and tells
	}
	topic.chosen.OnNewBatch() // the record is one
	partition := topic.chosen.Partition(r, len(topic.leaders))
	if s.id.id < 0 {
		if s.id, err = s.identify(ctx); err != nil {
			return false, nil //nolint:nilerr // as above
		}
	}
	to, err := s.conn(ctx, topic.leaders[partition].addr)
	if err != nil {
		delete(s.topics, r.Topic)
		return false, nil //nolint:nilerr // as above
	}
	at := place{r.Topic, int32(partition)} //nolint:gosec // a number of a partition
	req := produceOne(at, topic.id, batchOfOne(r, s.id, s.next[at]))
	req.SetVersion(to.produce)
	code, err := to.produceOne(ctx, req)
	switch fateOf(code, err) {
	case isStored:
		s.advance(at)
		return true, nil
	case isRefused:
		s.drop(topic.leaders[partition].addr)
		delete(s.topics, r.Topic)
		s.forget() // it may be the numbers that are wrong
		return false, nil
	default:
		s.drop(topic.leaders[partition].addr)
		delete(s.topics, r.Topic)
		return true, s.settle(ctx, at, req, err)
	}
}

// settle sends a batch again, by the client, until it is known to be stored. Brokers
// know it by its number. The cause is why it is not known, or nil.
func (s *single) settle(ctx context.Context, at place, req *kmsg.ProduceRequest, cause error) error {
	for tries := 1; ; tries++ {
		code, err := s.again(ctx, at, req)
		if fateOf(code, err) == isStored {
			s.advance(at)
			return nil
		}
		if err == nil {
			err = kerr.ErrorForCode(code)
			if !kerr.IsRetriable(err) || errors.Is(err, kerr.OutOfOrderSequenceNumber) { // it would be so for ever
				s.forget()
				return fmt.Errorf("%w: %w", errUnknownOutcome, err)
			}
		}
		if ctx.Err() == nil {
			cause = err
		}
		select {
		case <-ctx.Done():
			s.forget()
			return errors.Join(errUnknownOutcome, cause)
		case <-time.After(backoff(tries)):
		}
	}
}

// again asks who leads the partition, and sends it the batch.
func (s *single) again(ctx context.Context, at place, req *kmsg.ProduceRequest) (code int16, err error) {
	delete(s.topics, at.topic)
	topic, err := s.topic(ctx, at.topic)
	if err != nil {
		return 0, err
	}
	if int(at.partition) >= len(topic.leaders) {
		return kerr.UnknownTopicOrPartition.Code, nil
	}
	answer, err := s.client.Broker(int(topic.leaders[at.partition].node)).Request(ctx, req)
	if err != nil {
		return 0, err
	}
	return codeOf(answer.(*kmsg.ProduceResponse))
}

// advance counts a record of a partition as stored. Numbers begin again after the last.
func (s *single) advance(at place) {
	if s.next[at] == math.MaxInt32 {
		s.next[at] = 0
		return
	}
	s.next[at]++
}

// forget gives up the producer: the next record is of a new one.
func (s *single) forget() {
	s.id = producerID{id: -1}
	s.next = map[place]int32{}
}

// identify asks for a new producer's id.
func (s *single) identify(ctx context.Context) (producerID, error) {
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	resp, err := kmsg.NewPtrInitProducerIDRequest().RequestWith(ctx, s.client)
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		return producerID{id: -1}, err
	}
	return producerID{resp.ProducerID, resp.ProducerEpoch}, nil
}

// conn gives the connection to a broker.
func (s *single) conn(ctx context.Context, addr string) (*conn, error) {
	if known := s.conns[addr]; known != nil {
		if time.Since(known.used) < connIdle {
			return known, nil
		}
		s.drop(addr)
	}
	made, err := s.connection.dial(ctx, s.tls, addr)
	if err == nil {
		s.conns[addr] = made
	}
	return made, err
}

// drop closes the connection to a broker.
func (s *single) drop(addr string) {
	if known := s.conns[addr]; known != nil {
		_ = known.Close()
		delete(s.conns, addr)
	}
}

// close closes all connections.
func (s *single) close() {
	for addr := range s.conns {
		s.drop(addr)
	}
}
