package host

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Stats are the figures of a plugin.
type Stats struct {
	Calls, Records uint64
	Seconds        float64 // that calls have taken, all together
	Restarts       uint64  // processes that took the place of one that was gone
	Memory         int64   // bytes that its processes hold now; 0 where nobody tells
}

type stats struct {
	calls, records, restarts atomic.Uint64
	nanoseconds              atomic.Int64
}

func (s *stats) called(records int, took time.Duration) {
	s.calls.Add(1)
	s.records.Add(uint64(records)) //nolint:gosec // not negative
	s.nanoseconds.Add(int64(took))
}

// Stats gives the figures of now.
func (p *Plugin) Stats() Stats {
	out := Stats{Calls: p.stats.calls.Load(), Records: p.stats.records.Load(), Restarts: p.stats.restarts.Load(), Seconds: time.Duration(p.stats.nanoseconds.Load()).Seconds()}
	for _, s := range append([]*slot{&p.alone}, p.pool...) {
		if !s.mu.TryLock() {
			continue // a process is starting there
		}
		if s.live != nil && s.live.process != nil {
			out.Memory += residentOf(s.live.process.ID())
		}
		s.mu.Unlock()
	}
	return out
}

// residentOf gives the resident memory of a process (proc(5), statm).
func residentOf(pid string) int64 {
	text, err := os.ReadFile("/proc/" + pid + "/statm")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
