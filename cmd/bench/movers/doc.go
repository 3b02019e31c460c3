// Package movers holds what Penstock is measured against: the loops that a good
// engineer writes by hand with go-redis and franz-go, the same loops spread over a
// Watermill router, and Watermill's stock Redis and Kafka Pub/Subs wired together.
//
// They move events as well as they can and nothing more: no configuration, no
// recovery after a crash, no metrics. The exactly-once ones keep their position
// in a Kafka topic, in the transaction of the records; the one of a list trims by
// a checked script, after the commit.
package movers
