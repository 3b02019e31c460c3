package main

import (
	"fmt"
	"strings"
)

// scenarios lists all of them, in the order of the table.
var scenarios = []scenario{
	{
		name: "kill", what: "Penstock: kill -9 at random moments and at each named point",
		shapes: []shape{list, stream, group}, rate: 2000, counted: true, faults: kills,
	},
	{
		name: "leader", what: "Kafka: kill -9 and SIGSTOP of partition leaders and transaction coordinators",
		shapes: []shape{list, stream, group}, rate: 2000, long: true, faults: leaders,
	},
	{
		name: "end-txn", what: "Kafka: replies to EndTransaction dropped",
		shapes: []shape{list, stream}, rate: 2000, faults: lostReplies,
	},
	{
		name: "connections", what: "connections to Redis and Kafka cut, slow, half-open",
		shapes: []shape{list, stream, group}, rate: 2000, faults: connections,
	},
	{
		name: "away", what: "Kafka away altogether, at full input; memory stays under the bound",
		shapes: []shape{list, stream}, rate: 5000, long: true, faults: away, after: withinBound,
	},
	{
		name: "timeout", what: "Kafka out of reach for three times the transaction time-out; nobody halts",
		shapes: []shape{list, stream}, rate: 2000, timeout: shortTimeout, long: true, faults: pastTimeout,
	},
	{
		name: "redis", what: "Redis: kill -9, SIGSTOP, CLIENT KILL",
		shapes: []shape{list, stream, group}, rate: 2000, faults: redisFaults,
	},
	{
		name: "memory", what: "Redis out of memory; the drain goes on",
		shapes: []shape{list, stream, group}, rate: 2000, faults: memoryGone,
	},
	{
		name: "flush", what: "Redis: FLUSHALL; what had not been read is gone, and each gap found",
		shapes: []shape{list, stream}, rate: 2000, gaps: true, faults: flushes,
	},
	{
		name: "trim", what: "Redis: a stream trimmed past its reader; each gap found, and counted exactly",
		shapes: []shape{stream}, rate: 3000, gaps: true, faults: trims,
	},
	{
		name: "group-gone", what: "Redis: the consumer group deleted under its consumers",
		shapes: []shape{group}, rate: 2000, faults: groupsGone,
		comeAgain: 4000, // it is made again where it was a second ago or so: the watermark is kept every second
	},
	{
		name: "standby", what: "two instances: the active one killed, and stopped by SIGSTOP past its lease",
		shapes: []shape{list, stream}, rate: 2000, instances: 2, faults: standbys,
	},
	{
		name: "poison", what: "one event of a hundred is none: a dead letter, while Penstock is killed",
		shapes: []shape{list, stream}, rate: 2000, poison: true, more: deadLetters, faults: somekills,
	},
	{
		name: "dedupe", what: "dedupe, while transactions are given up, and what they held comes again",
		shapes: []shape{list, stream}, rate: 2000, timeout: shortTimeout, transforms: []string{"dedupe: {key: value.event_id, within: 10m}"}, faults: giveUps,
	},
	{
		name: "plugin", what: "a plugin: kill -9, again and again, and of Penstock with it",
		shapes: []shape{list, stream}, rate: 2000, transforms: []string{"set: {value.note: a secret}", "plugin: {command: [./redact], settings: {fields: [note]}}"}, faults: pluginKills,
	},
	{
		name: "cluster", what: "Redis Cluster: slots move step by step, masters are killed, a replica takes over; Penstock is killed meanwhile",
		shapes: []shape{list, stream}, rate: 2000, elsewhere: onCluster, faults: clusterFaults,
	},
	{
		name: "sentinel", what: "Redis with a Sentinel: the master is killed, a replica takes its place",
		shapes: []shape{list, stream}, rate: 2000, elsewhere: onSentinels, faults: sentinelFaults,
	},
	{
		name: "disk", what: "the disk full: of Redis, of a partition leader, of Penstock's log",
		shapes: []shape{list, stream}, rate: 2000, long: true, faults: fullDisks,
	},
	{
		name: "soak", what: "nothing, for long: memory, goroutines and open files do not grow",
		shapes: []shape{list, stream, group}, rate: 3000, metrics: true, long: true, faults: soaks,
	},
}

func deadLetters(name string) []string {
	return []string{"on_error: {then: dead_letter, dead_letter: {kafka: {topic: " + name + "-dead}}}"}
}

func giveUps(s sizes) []fault {
	var all []fault
	for range s.rounds {
		all = append(all, pastTimeout(sizes{rounds: 1})[0])
	}
	return all
}

func standbys(s sizes) []fault {
	var all []fault
	for range s.rounds {
		all = append(all, perJob("SIGSTOP of the active one past its lease", stopPastLease), perJob("kill -9 of the active one", killActive))
	}
	return all
}

func somekills(s sizes) []fault {
	var all []fault
	for range 2 * s.rounds {
		all = append(all, perJob("kill -9", killAtRandom))
	}
	return all
}

// describeAll lists the scenarios for people.
func describeAll() string {
	var all strings.Builder
	for _, s := range scenarios {
		length := ""
		if s.long {
			length = " (with --long, or by name)"
		}
		fmt.Fprintf(&all, "  %-12s %s%s\n", s.name, s.what, length)
	}
	return all.String()
}

// whatOf gives the sentence of a scenario.
func whatOf(name string) string {
	for _, s := range scenarios {
		if s.name == name {
			return s.what
		}
	}
	return name
}
