package demo

import (
	"fmt"
	"time"

	"github.com/penstock-io/penstock/pipeline/engine"
)

// Figures are all that is shown of one moment.
type Figures struct {
	Pipeline string
	List     string // of Redis
	Topic    string // of Kafka
	Servers  *Servers
	Page     string // where the server's page is
	Elapsed  time.Duration
	State    engine.State
	Engine   engine.Snapshot
	Pushed   uint64 // by the shop
	Arrived  uint64 // as read_committed readers see it
	Last     []Arrival
	Notes    []string // what the log says, oldest first
}

// waiting gives how many events the shop has pushed that have not arrived.
func (f Figures) waiting() uint64 { return f.Pushed - min(f.Pushed, f.Arrived) }

// position gives how far the list was read, as Kafka has it.
func (f Figures) position() uint64 { return f.Engine.Shards[f.List].Committed.Offset.Minor }

// quantile gives an upper bound of a share of the observations; false: there is
// none.
func quantile(h engine.Histogram, share float64) (float64, bool) {
	var total, below uint64
	for _, n := range h.Counts {
		total += n
	}
	for i, bound := range h.Bounds {
		below += h.Counts[i]
		if total > 0 && float64(below) >= share*float64(total) {
			return bound, true
		}
	}
	return 0, false
}

// latency tells how long records take from Redis to the commit.
func (f Figures) latency() string {
	half, ok := quantile(f.Engine.Latency, .5)
	most, also := quantile(f.Engine.Latency, .99)
	if !ok || !also {
		return "-"
	}
	return fmt.Sprintf("half within %v, 99 %% within %v", seconds(half), seconds(most))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// meter measures rates over the last two seconds. It begins with nothing at zero.
type meter struct {
	samples []sample
}

type sample struct {
	at    time.Duration
	count uint64
}

const meterSpan = 2 * time.Second

// rate takes a count at a moment and gives how fast it grows, per second.
func (m *meter) rate(at time.Duration, count uint64) float64 {
	if m.samples == nil {
		m.samples = []sample{{}}
	}
	m.samples = append(m.samples, sample{at, count})
	for len(m.samples) > 2 && at-m.samples[1].at >= meterSpan {
		m.samples = m.samples[1:]
	}
	first := m.samples[0]
	if at <= first.at {
		return 0
	}
	return float64(count-first.count) / (at - first.at).Seconds()
}

// grouped writes 1234567 as 1,234,567.
func grouped(n uint64) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// Summary tells in a line what a demo has moved.
func (f Figures) Summary() string {
	return fmt.Sprintf("%s pushed to Redis, %s moved in %s transactions, %s seen in Kafka, in %.1f s; latency: %s",
		grouped(f.Pushed), grouped(f.Engine.Written), grouped(f.Engine.Transactions), grouped(f.Arrived), f.Elapsed.Seconds(), f.latency())
}
