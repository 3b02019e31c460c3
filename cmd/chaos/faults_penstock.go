package main

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	connector "github.com/penstock-io/penstock/connectors/redis"
	"github.com/penstock-io/penstock/pipeline/engine"
)

// maxAlive is the longest that a process lives before a random kill.
const maxAlive = 1500 * time.Millisecond

// crashPoints are the named ones.
var crashPoints = []engine.Point{engine.Opened, engine.Read, engine.Written, engine.Committing, engine.Committed, engine.Settled}

// kills are as many at random moments as the sizes say, and one at each named point.
func kills(s sizes) []fault {
	var all []fault
	for range s.kills {
		all = append(all, perJob("kill -9", killAtRandom))
	}
	for _, point := range crashPoints {
		all = append(all, perJob("kill -9 at "+string(point), killAt(point, s.nth)))
	}
	return all
}

func killAtRandom(ctx context.Context, j *job) error {
	i := j.instances[0]
	n := i.started()
	if err := wait(ctx, time.Duration(j.chance.Int64N(int64(maxAlive)))); err != nil {
		return err
	}
	if err := i.kill(ctx); err != nil {
		return err
	}
	return i.starting(ctx, n+1)
}

// killAt makes the next process kill itself when it meets a point for the n-th time, up
// to most.
func killAt(point engine.Point, most int) func(context.Context, *job) error {
	return func(ctx context.Context, j *job) error {
		i, nth := j.instances[0], 1
		if point != engine.Opened {
			nth += j.chance.IntN(most)
		}
		n := i.started()
		if err := i.kill(ctx, fmt.Sprintf("PENSTOCK_CRASH_AT=%s:%d", point, nth)); err != nil {
			return err
		}
		if err := i.starting(ctx, n+2); err != nil { // it, and the one after it
			return fmt.Errorf("the process was to die at %s, the %d-th time: %w", point, nth, err)
		}
		return nil
	}
}

// stopPastLease stops the active one of two instances (SIGSTOP) for longer than its
// lease lives, until the other one has moved events, and lets it go on: a zombie, in
// the middle of whatever it did.
func stopPastLease(ctx context.Context, j *job) error {
	zombie, err := j.active(ctx, nil)
	if err != nil {
		return err
	}
	if err := wait(ctx, time.Duration(j.chance.Int64N(int64(300*time.Millisecond)))); err != nil {
		return err
	}
	zombie.signal(syscall.SIGSTOP)
	if _, err := j.active(ctx, zombie); err != nil {
		return err
	}
	if err := j.moves(ctx, 1000); err != nil {
		return err
	}
	before := strings.Count(zombie.text(), standsBy)
	zombie.signal(syscall.SIGCONT)
	return eventually(ctx, time.Minute, "the zombie stands by", func() bool { return strings.Count(zombie.text(), standsBy) > before })
}

// standsBy is what an instance says.
const standsBy = "standing by"

// killActive kills the active one of two instances, and waits until it is there again: the
// lease may name the dead one until then.
func killActive(ctx context.Context, j *job) error {
	i, err := j.active(ctx, nil)
	if err != nil {
		return err
	}
	n := i.started()
	if err := i.kill(ctx); err != nil {
		return err
	}
	return i.starting(ctx, n+1)
}

// active waits until an instance has the lease, another one than but.
func (j *job) active(ctx context.Context, but *instance) (*instance, error) {
	var found *instance
	err := eventually(ctx, time.Minute, "an instance of "+j.name+" is active", func() bool {
		holder := j.world.client.Get(ctx, connector.LeaseKey(j.name)).Val()
		for _, i := range j.instances {
			if i != but && strings.Contains(holder, fmt.Sprintf(`"pid":%d}`, i.pid())) {
				found = i
			}
		}
		return found != nil
	})
	return found, err
}

// logDiskFull makes a process that cannot write its log, and kills it after a while.
func logDiskFull(ctx context.Context, j *job) error {
	i := j.instances[0]
	for _, full := range []bool{true, false} {
		i.mu.Lock()
		i.full = full
		i.mu.Unlock()
		n := i.started()
		if err := i.kill(ctx); err != nil {
			return err
		}
		if err := i.starting(ctx, n+1); err != nil {
			return err
		}
		if err := j.moves(ctx, 3000); err != nil {
			return err
		}
	}
	return nil
}
