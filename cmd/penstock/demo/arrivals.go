package demo

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// lastArrivals is how many records are remembered.
	lastArrivals = 8
	// askPatience is how long Kafka may take to say where a topic ends.
	askPatience = 2 * time.Second
)

// Arrival is a record as it stands in Kafka.
type Arrival struct {
	Partition int32
	Offset    int64
	Key       string
	Value     string
}

// Arrivals reads what arrives in a topic, as any read_committed consumer would.
type Arrivals struct {
	client *kgo.Client
	since  time.Time // older records are not of this demo

	mu    sync.Mutex
	count uint64
	last  []Arrival // oldest first
}

// NewArrivals makes a reader of the records that are written to a topic from now
// on. It asks Kafka where the topic ends; a topic that is not there yet, or a Kafka
// that does not answer soon, is read from its start later. Error: an address is
// none.
func NewArrivals(ctx context.Context, brokers []string, topic string) (*Arrivals, error) {
	a := &Arrivals{since: time.Now().Truncate(time.Millisecond)}
	var err error
	a.client, err = kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(250*time.Millisecond),
		kgo.MetadataMinAge(100*time.Millisecond),
		kgo.MetadataMaxAge(time.Second), // the topic is made while this is looking for it
	)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	ends, err := kadm.NewClient(a.client).ListEndOffsets(ctx, topic)
	if err != nil || ends.Error() != nil {
		a.client.AddConsumeTopics(topic)
		return a, nil
	}
	a.client.AddConsumePartitions(ends.KOffsets())
	return a, nil
}

// Run reads until ctx ends, and closes the connection.
func (a *Arrivals) Run(ctx context.Context) {
	defer a.client.Close()
	for ctx.Err() == nil {
		a.client.PollFetches(ctx).EachRecord(a.take)
	}
}

func (a *Arrivals) take(r *kgo.Record) {
	if r.Timestamp.Before(a.since) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
	a.last = append(a.last, Arrival{r.Partition, r.Offset, string(r.Key), string(r.Value)})
	if len(a.last) > lastArrivals {
		a.last = a.last[1:]
	}
}

// Count gives how many records have arrived.
func (a *Arrivals) Count() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count
}

// Last gives the last few records, oldest first.
func (a *Arrivals) Last() []Arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Arrival(nil), a.last...)
}
