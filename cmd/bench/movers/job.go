package movers

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// batchSize is how many events one reply of Redis holds.
	batchSize = 1000
	// batchesPerTransaction is for the loops that work step by step.
	batchesPerTransaction = 20
	// batchesInFlight bounds what the pipelined loops have read and not enqueued.
	batchesInFlight = 64
	// positionsTopic is where the exactly-once movers keep their positions.
	positionsTopic = "_bench_positions"
)

// Job says what to move.
type Job struct {
	Redis   string   // host:port
	Brokers []string // host:port
	Key     string   // of the stream or list
	Topic   string   // exists already
	Events  int      // the mover ends when it has delivered that many
	// Compression of the movers that use franz-go: none, gzip, snappy, lz4 or zstd.
	Compression string
}

// Mover moves a job's events and returns when they are committed, and, for a
// list, trimmed. It closes what it opens.
type Mover func(ctx context.Context, job Job) error

var byName = map[string]Mover{
	"stream-step":      moveStreamByStep,
	"list-step":        moveListByStep,
	"stream-pipelined": moveStreamPipelined,
	"list-pipelined":   moveListPipelined,
	"stream-group":     moveStreamByGroup,
	"stream-stock":     moveStreamStock,
}

// Named gives the mover of that name; the error lists the names there are.
func Named(name string) (Mover, error) {
	if mover, ok := byName[name]; ok {
		return mover, nil
	}
	return nil, fmt.Errorf("no mover is called %q; there are %s",
		name, strings.Join(slices.Sorted(maps.Keys(byName)), ", "))
}

func newRedis(job Job) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: job.Redis})
}

var userField = []byte(`"user_id":"`)

// userOf finds the user of an event by looking for its field, which is the
// cheapest way for one who knows how the events are written. nil: none.
func userOf(event []byte) []byte {
	_, rest, found := bytes.Cut(event, userField)
	if !found {
		return nil
	}
	user, _, _ := bytes.Cut(rest, []byte{'"'})
	return user
}

func recordOf(topic string, event []byte) *kgo.Record {
	return &kgo.Record{Topic: topic, Key: userOf(event), Value: event}
}
