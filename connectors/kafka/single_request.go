package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What became of a batch.
const (
	isUnknown = iota
	isStored
	isRefused // this time: it may have been stored by a request before
)

// fateOf reads an answer. Refused is what says that nothing was written, and what is
// not known to say so is unknown: https://kafka.apache.org/protocol#protocol_error_codes.
// NOT_LEADER_OR_FOLLOWER does not say so: a leader that has written a record and waits for
// its followers answers so too, when another one leads meanwhile, and that has the record.
func fateOf(code int16, err error) int {
	if err != nil {
		return isUnknown
	}
	if code == 0 {
		return isStored
	}
	switch kerr.TypedErrorForCode(code) {
	case kerr.DuplicateSequenceNumber:
		return isStored
	case kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidTopicException, kerr.NotEnoughReplicas, kerr.TopicAuthorizationFailed,
		kerr.ClusterAuthorizationFailed, kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp,
		kerr.UnsupportedForMessageFormat, kerr.PolicyViolation,
		kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch, kerr.ProducerFenced:
		return isRefused
	default:
		return isUnknown
	}
}

// produceOne is a request that all in-sync replicas shall take one batch.
func produceOne(at place, topicID [16]byte, batch []byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks = -1
	req.TimeoutMillis = int32(singlePatience.Milliseconds())
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Partition, partition.Records = at.partition, batch
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic, topic.TopicID, topic.Partitions = at.topic, topicID, []kmsg.ProduceRequestTopicPartition{partition}
	req.Topics = []kmsg.ProduceRequestTopic{topic}
	return req
}

// produceOne gives the error code of the one partition. After an error the connection
// is of no use.
func (c *conn) produceOne(ctx context.Context, req *kmsg.ProduceRequest) (code int16, err error) {
	until := time.Now().Add(2 * singlePatience)
	if end, ok := ctx.Deadline(); ok && end.Before(until) {
		until = end
	}
	resp := kmsg.NewPtrProduceResponse()
	if err := c.roundTrip(req, resp, until); err != nil {
		return 0, err
	}
	return codeOf(resp)
}

func codeOf(resp *kmsg.ProduceResponse) (int16, error) {
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return 0, errors.New("the answer is not about the partition that was written")
	}
	return resp.Topics[0].Partitions[0].ErrorCode, nil
}
