// Package pipelinetest holds what tests and benchmarks of Penstock stand on:
// servers, and a judge.
//
// Embedded gives miniredis and kfake in the process, a fresh pair for each test.
// Redis and Kafka give the real ones, shared: by all test binaries where `make
// test` has started them, else by the tests of one binary. Tests share their
// keys and topics too, so they take names from Name and flush nothing. A test
// that kills, stops or configures a server starts its own with StartRedis or
// StartKafka.
//
// A server that cannot be started fails the test, saying what to install;
// nothing skips itself. Servers listen on 127.0.0.1 only and end with the
// process that started them.
//
// Check judges a topic against the events that were sent.
//
// The suites that every source, transform and sink must pass are in package conform
// below, which imports next to nothing; this one imports miniredis, kfake, franz-go
// and go-redis.
package pipelinetest
