package main

import (
	"context"
	"fmt"
	"time"

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
		all = append(all, perJob("kill -9 at "+string(point), killAt(point)))
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

// killAt makes the next process kill itself when it meets a point for the n-th time.
func killAt(point engine.Point) func(context.Context, *job) error {
	return func(ctx context.Context, j *job) error {
		i, nth := j.instances[0], 1
		if point != engine.Opened {
			nth += j.chance.IntN(20)
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
