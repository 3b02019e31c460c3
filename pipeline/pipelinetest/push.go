//go:build unix

package pipelinetest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Events makes events, each with its user. The shop of package connectors/local
// is one.
type Events interface {
	Append(dst []byte) (event []byte, user string)
}

// Push says what a producer pushes, and where to.
type Push struct {
	Addr string // of the Redis
	// Connect, where it is not nil, makes the client in the place of one of Addr: of a
	// Cluster (there is one key then, without braces), say.
	Connect func() redis.UniversalClient
	Keys    []string // a user's events all go to one of them
	How     string   // "rpush", "lpush", or "xadd", with the event in field "payload"
	Events  Events
	N       int // how many events
	Rate    int // events a second; zero: as fast as it goes
	Chunk   int // events a command; zero: 100
	// Linger, where it is not nil, makes the last fifth come at a tenth of the
	// rate until it is closed, so that producers go on while something happens.
	Linger <-chan struct{}
	// Until, where it is not nil, makes producers go on after N events until it is
	// closed.
	Until <-chan struct{}
}

// Pushing is a producer at work in the background.
type Pushing struct {
	pushed atomic.Int64
	done   chan struct{}
	err    error
}

// Start begins to push, and ends with the test. See Begin.
func (p Push) Start(tb testing.TB) *Pushing {
	ctx, cancel := context.WithCancel(context.Background())
	pushing := p.Begin(ctx)
	tb.Cleanup(func() {
		cancel()
		<-pushing.done
	})
	return pushing
}

// Begin begins to push, until everything is pushed or ctx ends; who begins it waits
// for Done. Each chunk goes in one transaction with its number: over kills of a Redis
// that keeps its writes, each event is pushed once.
func (p Push) Begin(ctx context.Context) *Pushing {
	if p.Chunk == 0 {
		p.Chunk = 100
	}
	pushing := &Pushing{done: make(chan struct{})}
	go func() {
		defer close(pushing.done)
		pushing.err = p.run(ctx, &pushing.pushed)
	}()
	return pushing
}

// Pushed gives how many events Redis has taken so far.
func (p *Pushing) Pushed() int { return int(p.pushed.Load()) }

// Done is closed when everything is pushed, or pushing has failed.
func (p *Pushing) Done() <-chan struct{} { return p.done }

// Err gives, once Done is closed, why not everything is pushed.
func (p *Pushing) Err() error { return p.err }

// Wait waits until everything is pushed, and fails the test where that failed
// or takes longer than within.
func (p *Pushing) Wait(tb testing.TB, within time.Duration) {
	tb.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		tb.Fatalf("pushed %d events in %v, and not all", p.Pushed(), within)
	}
	if p.err != nil {
		tb.Fatal(p.err)
	}
}

// Do pushes everything now.
func (p Push) Do(tb testing.TB) {
	tb.Helper()
	p.Start(tb).Wait(tb, 2*time.Minute)
}

func (p Push) run(ctx context.Context, pushed *atomic.Int64) error {
	client := p.client()
	defer func() { _ = client.Close() }()
	marker := "pushed:{" + p.Keys[0] + "}:" + strconv.FormatInt(time.Now().UnixNano(), 36)
	next := time.Now()
	for done := 0; done < p.N || p.goesOn(); {
		n := p.Chunk
		if p.N > done {
			n = min(n, p.N-done)
		}
		chunk := p.chunk(n)
		done += n
		if err := p.chunkOnce(ctx, client, marker, done, chunk); err != nil {
			return fmt.Errorf("pushing: %w", err)
		}
		pushed.Store(int64(done))
		next = next.Add(p.pause(n, done))
		if err := waitUntil(ctx, next); err != nil {
			return err
		}
	}
	return client.Del(ctx, marker).Err()
}

func (p Push) client() redis.UniversalClient {
	if p.Connect != nil {
		return p.Connect()
	}
	return redis.NewClient(&redis.Options{Addr: p.Addr, MaxRetries: -1, DialTimeout: time.Second, ReadTimeout: 5 * time.Second})
}

// goesOn tells whether more than N events are wanted.
func (p Push) goesOn() bool {
	if p.Until == nil {
		return false
	}
	select {
	case <-p.Until:
		return false
	default:
		return true
	}
}

// pause gives the time between a chunk of n events, after which so many are
// done, and the next one.
func (p Push) pause(n, done int) time.Duration {
	if p.Rate == 0 {
		return 0
	}
	pause := time.Duration(n) * time.Second / time.Duration(p.Rate)
	if p.Linger == nil || done < p.N-p.N/5 {
		return pause
	}
	select {
	case <-p.Linger:
		return pause
	default:
		return 10 * pause
	}
}

// chunk makes the next n events, by key.
func (p Push) chunk(n int) map[string][]any {
	by := map[string][]any{}
	for range n {
		event, user := p.Events.Append(nil)
		hash := fnv.New32a()
		_, _ = hash.Write([]byte(user)) // never fails
		key := p.Keys[int(hash.Sum32())%len(p.Keys)]
		by[key] = append(by[key], event)
	}
	return by
}

// chunkOnce pushes a chunk until the server has it, and tells by the marker
// whether it has, where an answer did not come.
func (p Push) chunkOnce(ctx context.Context, client redis.UniversalClient, marker string, number int, chunk map[string][]any) error {
	for {
		_, err := client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
			p.queue(ctx, tx, chunk)
			return tx.Set(ctx, marker, number, 0).Err()
		})
		if err == nil {
			return nil
		}
		last, err := lastChunk(ctx, client, marker)
		if err != nil || last == number {
			return err
		}
	}
}

// lastChunk reads the marker, as soon as the server answers; 0: there is none.
func lastChunk(ctx context.Context, client redis.UniversalClient, marker string) (int, error) {
	for {
		last, err := client.Get(ctx, marker).Int()
		if err == nil || errors.Is(err, redis.Nil) {
			return last, nil
		}
		if err := waitUntil(ctx, time.Now().Add(pollEvery)); err != nil {
			return 0, err
		}
	}
}

func (p Push) queue(ctx context.Context, tx redis.Pipeliner, chunk map[string][]any) {
	for key, events := range chunk {
		switch p.How {
		case "rpush":
			tx.RPush(ctx, key, events...)
		case "lpush":
			tx.LPush(ctx, key, events...)
		default:
			for _, event := range events {
				tx.XAdd(ctx, &redis.XAddArgs{Stream: key, Values: []any{"payload", event}})
			}
		}
	}
}

func waitUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
