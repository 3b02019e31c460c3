//go:build unix

package host

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline"
)

const event = `{"event_id":"e-00000001","user_id":"u1234","action":"buy","item":"sku-000042","price":19.99,"quantity":3,"ts":1767323045123,` +
	`"session":"0f8fad5b-d9cb-469f-a165","page":"/shop/shoes/sku-000042","agent":"Mozilla/5.0 (X11; Linux x86_64)","discount":null,"member":true,"do":"%s"}`

// BenchmarkApply tells of calls one after the other; cpu-ns/record is what both sides take.
func BenchmarkApply(b *testing.B) {
	for _, what := range []string{"nothing", "keep", "change"} {
		for _, n := range []int{1, 10, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", what, n), func(b *testing.B) {
				name := "good"
				if what == "nothing" {
					name = what
				}
				p, _ := played(b, name)
				records := &pipeline.Batch{Shard: "a", Read: n}
				fill := func() {
					records.Reset()
					for i := range n {
						r := records.Add()
						r.Key, r.Offset.Minor = []byte("u1234"), uint64(i)+1
						if err := r.Value.Set(records, nil, fmt.Appendf(records.Arena.Alloc(400), event, what)); err != nil {
							b.Fatal(err)
						}
					}
				}
				fill()
				mustApply(b, p, records)
				var cpu time.Duration
				b.ResetTimer()
				for b.Loop() {
					b.StopTimer()
					fill()
					before := cpuOf(b, p)
					b.StartTimer()
					if err := p.Apply(b.Context(), records); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					cpu += cpuOf(b, p) - before
					b.StartTimer()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
				b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*n), "cpu-ns/record")
			})
		}
	}
}

// cpuOf gives the CPU that this process and the plugin's have taken (proc(5), schedstat).
func cpuOf(b *testing.B, p *Plugin) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	all := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	tasks, err := os.ReadDir("/proc/" + p.pool[0].live.process.ID() + "/task")
	if err != nil {
		return all
	}
	for _, task := range tasks {
		text, _ := os.ReadFile("/proc/" + p.pool[0].live.process.ID() + "/task/" + task.Name() + "/schedstat")
		if first, _, ok := strings.Cut(string(text), " "); ok {
			n, _ := strconv.ParseInt(first, 10, 64)
			all += time.Duration(n)
		}
	}
	return all
}
