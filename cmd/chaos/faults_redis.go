package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// redisFaults are what can happen to a Redis that keeps its writes.
func redisFaults(s sizes) []fault {
	all := []fault{{"CLIENT KILL", killClients}, {"kill -9 of Redis", killRedis}}
	if s.short {
		return all
	}
	for range s.rounds {
		all = append(all,
			fault{"kill -9 of Redis", killRedis},
			fault{"SIGSTOP of Redis", stopRedis},
			fault{"CLIENT KILL", killClients},
		)
	}
	return all
}

func memoryGone(s sizes) []fault {
	return []fault{{fmt.Sprintf("Redis out of memory for %v", s.oom), func(ctx context.Context, r *run) error { return outOfMemory(ctx, r, s.oom) }}}
}

func killRedis(ctx context.Context, r *run) error {
	if err := r.redis.Kill(); err != nil {
		return err
	}
	if err := r.between(ctx, 0, 2*time.Second); err != nil {
		return err
	}
	return r.redis.Restart(ctx)
}

func stopRedis(ctx context.Context, r *run) error {
	if err := r.redis.Pause(); err != nil {
		return err
	}
	if err := r.between(ctx, time.Second, 5*time.Second); err != nil {
		return err
	}
	return r.redis.Resume()
}

// killClients ends every connection, again and again.
func killClients(ctx context.Context, r *run) error {
	for range 5 {
		if err := r.client.Do(ctx, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").Err(); err != nil {
			return err
		}
		if err := r.between(ctx, 50*time.Millisecond, 400*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// outOfMemory makes Redis refuse whatever needs memory. Producers wait; what there is
// must be drained meanwhile, since that is what frees memory.
func outOfMemory(ctx context.Context, r *run, d time.Duration) error {
	for _, j := range r.jobs {
		if err := j.flows(ctx, 200); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := r.client.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		return err
	}
	var all errgroup.Group
	for _, j := range r.jobs {
		all.Go(func() error {
			if err := j.emptied(ctx, max(d, 30*time.Second)); err != nil {
				j.note = "while Redis was out of memory: " + err.Error()
			}
			return nil
		})
	}
	err := all.Wait()
	err = errors.Join(err, wait(ctx, d-time.Since(began)))
	return errors.Join(err, r.client.ConfigSet(ctx, "maxmemory", "0").Err())
}

// flushes empty Redis under the producers, while no Penstock runs: so it is known what
// had not been read.
func flushes(s sizes) []fault {
	var all []fault
	for range s.rounds {
		all = append(all, fault{"FLUSHALL", flushAll})
	}
	return all
}

func flushAll(ctx context.Context, r *run) error {
	for _, j := range r.jobs {
		if err := j.flows(ctx, 200); err != nil {
			return err
		}
	}
	for _, j := range r.jobs {
		if err := j.hold(ctx); err != nil {
			return err
		}
		defer j.release()
	}
	for _, j := range r.jobs {
		if err := j.moves(ctx, 500+j.chance.IntN(2000)); err != nil {
			return err
		}
	}
	tx := r.client.TxPipeline()
	unread := make([]func() int, len(r.jobs))
	for n, j := range r.jobs {
		if j.shape == list {
			length := tx.LLen(ctx, j.name)
			unread[n] = func() int { return int(length.Val()) }
		} else {
			length := tx.XLen(ctx, j.name)
			unread[n] = func() int { return int(length.Val()) - 1 } // the anchor was read
		}
	}
	tx.FlushAll(ctx)
	if _, err := tx.Exec(ctx); err != nil {
		return err
	}
	for n, j := range r.jobs {
		j.gone += unread[n]()
		j.gaps++
	}
	return nil
}

// trims cut a stream past its reader: while none runs, so that it is known how much was
// cut off unread, and under one that stands still in the middle of its work.
func trims(s sizes) []fault {
	var all []fault
	for range s.rounds {
		all = append(all, perJob("XTRIM while Penstock is away", trimAway), perJob("XTRIM under Penstock", trimUnder))
	}
	return all
}

func trimAway(ctx context.Context, j *job) error {
	if err := j.flows(ctx, 200); err != nil {
		return err
	}
	if err := j.hold(ctx); err != nil {
		return err
	}
	defer j.release()
	if err := j.moves(ctx, 500+j.chance.IntN(2000)); err != nil {
		return err
	}
	before := j.gone
	removed, err := j.trim(ctx)
	if j.gone += removed - 1; j.gone > before { // the anchor was read
		j.gaps++
	}
	return err
}

// trim leaves some hundred entries.
func (j *job) trim(ctx context.Context) (removed int, err error) {
	n, err := j.world.client.XTrimMaxLen(ctx, j.name, 100+j.chance.Int64N(300)).Result()
	j.counts = true
	return int(n), err
}

func trimUnder(ctx context.Context, j *job) error {
	if err := j.flows(ctx, 200); err != nil {
		return err
	}
	i := j.instances[0]
	i.signal(syscall.SIGSTOP)
	defer i.signal(syscall.SIGCONT)
	if err := j.moves(ctx, 1000+j.chance.IntN(2000)); err != nil {
		return err
	}
	_, err := j.trim(ctx)
	return err
}

// groupsGone delete the consumer group under its consumers.
func groupsGone(s sizes) []fault {
	var all []fault
	for range 2 * s.rounds {
		all = append(all, perJob("XGROUP DESTROY", func(ctx context.Context, j *job) error {
			if err := j.world.client.XGroupDestroy(ctx, j.name, "chaos").Err(); err != nil {
				return err
			}
			return j.flows(ctx, 1000)
		}))
	}
	return all
}
