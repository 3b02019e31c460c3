package kafka

import (
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/penstock-io/penstock/pipeline"
)

// isRecordsFault tells whether a broker's (or the client's) refusal is about
// the record itself, so that trying again as it is can never help.
func isRecordsFault(err error) bool {
	return pipeline.ClassOf(err) == pipeline.Permanent || slices.ContainsFunc([]error{
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

// checkLogin is what to do where the login is refused.
const checkLogin = "check mechanism, username and password of the sink's sasl"

// denied says which right is awaited, where an error is about one: operation on
// topic, which is what was asked for, or the transactional id. Other errors stay
// as they are.
func denied(err error, operation, topic string) error {
	e := &pipeline.Error{Class: pipeline.Unreachable, Err: err}
	switch {
	case !isDenied(err):
		return err
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		e.What, e.Do = "Kafka refuses the login", checkLogin
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		e.What, e.Do = "Kafka does not let this user write transactions", "allow Write on TransactionalId penstock. (prefixed)"
	default:
		e.What, e.Do = "Kafka does not let this user use topic "+topic, "allow "+operation+" on Topic "+topic
	}
	return e
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
