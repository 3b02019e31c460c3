package demo

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// lastArrivals is how many records are remembered.
const lastArrivals = 8

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

	mu    sync.Mutex
	count uint64
	last  []Arrival // oldest first
}

// NewArrivals makes a reader of the records that are written to a topic from now
// on. It connects to nobody yet.
func NewArrivals(brokers []string, topic string) (*Arrivals, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers...),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(time.Now().UnixMilli())),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(250*time.Millisecond),
		kgo.MetadataMinAge(100*time.Millisecond),
		kgo.MetadataMaxAge(time.Second), // the topic is made while this is looking for it
	)
	if err != nil {
		return nil, err
	}
	return &Arrivals{client: client}, nil
}

// Run reads until ctx ends, and closes the connection.
func (a *Arrivals) Run(ctx context.Context) {
	defer a.client.Close()
	for ctx.Err() == nil {
		a.client.PollFetches(ctx).EachRecord(a.take)
	}
}

func (a *Arrivals) take(r *kgo.Record) {
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
