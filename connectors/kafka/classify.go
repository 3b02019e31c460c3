package kafka

import (
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
)

// isRecordsFault tells whether a broker's (or the client's) refusal is about
// the record itself, so that trying again as it is can never help.
func isRecordsFault(err error) bool {
	return slices.ContainsFunc([]error{
		kerr.MessageTooLarge,             // above max.message.bytes
		kerr.RecordListTooLarge,          // its batch above the segment's size
		kerr.InvalidRecord,               // no key in a compacted topic, a broker-side check
		kerr.InvalidTimestamp,            // outside message.timestamp.before/after.max.ms
		kerr.UnsupportedForMessageFormat, // headers in an ancient topic
	}, func(known error) bool { return errors.Is(err, known) })
}

// isDenied tells whether the user lacks a right. Somebody has to grant it:
// until then it is waited for, and no record is at fault.
func isDenied(err error) bool {
	return slices.ContainsFunc([]error{
		kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.TransactionalIDAuthorizationFailed,
		kerr.GroupAuthorizationFailed, kerr.SaslAuthenticationFailed,
	}, func(known error) bool { return errors.Is(err, known) })
}

// isFenced tells whether Kafka says that another producer has this one's
// identity. It says the same to a producer that it has forgotten, because it was
// silent for longer than the transaction's time-out: the claims tell which.
func isFenced(err error) bool {
	return slices.ContainsFunc([]error{
		kerr.InvalidProducerEpoch, kerr.ProducerFenced, kerr.InvalidTxnState, kerr.OperationNotAttempted,
		kerr.InvalidProducerIDMapping, kerr.UnknownProducerID, kerr.TransactionAbortable,
	}, func(known error) bool { return errors.Is(err, known) })
}
