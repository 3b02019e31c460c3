package main

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-io/penstock/cmd/bench/report"
	"github.com/penstock-io/penstock/connectors/local"
)

// header says where and with what the figures are made. What cannot be found
// out stays empty or "unknown".
func (b *bench) header(ctx context.Context) report.Header {
	h := report.Header{
		Time: time.Now(), CPU: "unknown CPU", Cores: runtime.NumCPU(), Kernel: runtime.GOOS, Go: runtime.Version(),
		Redis: "unknown", Kafka: "unknown", Penstock: "not measured", Runs: b.options.runs, Seconds: b.options.seconds,
		Users: defaultUsers, EventBytes: eventBytes(), Partitions: partitions, Compression: b.options.compression,
	}
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		h.CPU = field(info, "model name")
	}
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		kb, _, _ := strings.Cut(field(info, "MemTotal"), " ")
		n, _ := strconv.ParseInt(kb, 10, 64) // 0 where it is not a number
		h.MemoryBytes = n << 10
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		h.Kernel = "Linux " + strings.TrimSpace(string(release))
	}
	if info, err := b.client.Info(ctx, "server").Bytes(); err == nil {
		h.Redis = field(info, "redis_version")
	}
	if version, err := b.topics.Version(ctx); err == nil {
		h.Kafka = version
	}
	if b.penstock != nil {
		h.Penstock = b.penstock.version()
	}
	return h
}

// field reads the value of the first line "name: value".
func field(text []byte, name string) string {
	for line := range bytes.Lines(text) {
		key, value, found := strings.Cut(string(line), ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// eventBytes is the mean size of the events.
func eventBytes() int {
	const sample = 1000
	var events []byte
	shop := local.NewShop(seed, defaultUsers)
	for range sample {
		events, _ = shop.Append(events)
	}
	return len(events) / sample
}
