// Package measure holds the instruments of the benchmark: it fills Redis with
// events, watches a process from outside, and tells from the topic in Kafka when
// the events arrived. Nothing here asks the mover that is measured.
package measure
