// Package watermill makes a source of any Watermill Subscriber and a sink of any
// Publisher, and wires the stock packages for Redis streams and Kafka through them
// (watermill_redisstream, watermill_kafka), so that a running Watermill service can
// be moved piece by piece.
//
// Watermill's contract has no positions: a message is acknowledged, or comes again.
// So both keep at least once. A topic is a shard; a message is a record: its payload
// the value, its metadata the headers, its UUID the header
// _watermill_message_uuid, as the stock packages write it.
package watermill
