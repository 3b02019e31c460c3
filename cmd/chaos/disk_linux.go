package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

// A full disk is one on which a process can write no further: no file of its grows
// beyond a page (RLIMIT_FSIZE, set from outside while it runs). Redis ends at that, as it
// does on a full disk with appendfsync always; a broker whose only log directory has
// failed ends too. With room again, both are started.
func fillDisk(ctx context.Context, server interface{ PID() int }) error {
	pid, limit := server.PID(), unix.Rlimit{Cur: 4096, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	return eventually(ctx, time.Minute, "a server ends for want of disk", func() bool { return server.PID() == 0 })
}

func fullDisks(s sizes) []fault {
	var all []fault
	for range s.rounds {
		all = append(all, fault{"disk of Redis full", redisDiskFull}, fault{"disk of a leader full", onLeader(brokerDiskFull)})
	}
	return append(all, perJob("disk of Penstock's log full", logDiskFull))
}

func redisDiskFull(ctx context.Context, r *run) error {
	if err := fillDisk(ctx, r.redis); err != nil {
		return err
	}
	return r.redis.Restart(ctx)
}

func brokerDiskFull(ctx context.Context, r *run, b *pipelinetest.Kafka) error {
	if err := fillDisk(ctx, b); err != nil {
		return err
	}
	if err := b.Restart(ctx); err != nil {
		return err
	}
	return r.kafka.Settled(ctx)
}
