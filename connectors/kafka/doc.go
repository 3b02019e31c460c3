// Package kafka writes to Kafka: a Sink whose lanes are transactional
// producers, with the positions of the source in the same transaction as the
// records (KIP-98, KIP-890), and dead letters beside them.
//
// Beside it stand a Publisher and a Subscriber, a Pub/Sub for Watermill with the wire
// form of stock watermill-kafka, for programs of others.
//
// Opening a lane follows the protocol step by step (see Sink.Open): fence by
// InitProducerId, claim in a transaction of its own, read the positions until
// the own claim comes back.
package kafka
