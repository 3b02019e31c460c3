//go:build unix

package pipelinetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// numbers are events of users that take turns.
type numbers struct{ next, users int }

func (n *numbers) Append(dst []byte) ([]byte, string) {
	n.next++
	return fmt.Appendf(dst, "%d", n.next), fmt.Sprintf("u%d", n.next%n.users)
}

func someRedis(t *testing.T) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func TestPushKeepsOrder(t *testing.T) {
	m := someRedis(t)
	for _, how := range []string{"rpush", "lpush", "xadd"} {
		Push{Addr: m.Addr(), Keys: []string{how}, How: how, Events: &numbers{users: 3}, N: 25, Chunk: 10}.Do(t)
		var got []string
		if how == "xadd" {
			entries, err := m.Stream(how)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				got = append(got, e.Values[1])
			}
		} else {
			got, _ = m.List(how)
		}
		if how == "lpush" {
			slices.Reverse(got)
		}
		for i, event := range got {
			if event != fmt.Sprint(i+1) {
				t.Errorf("%s: event %d is %s", how, i+1, event)
			}
		}
		if len(got) != 25 || len(m.Keys()) != 1 {
			t.Errorf("%s: %d events, keys %v", how, len(got), m.Keys())
		}
		m.FlushAll()
	}
}

func TestPushKeepsUsersTogether(t *testing.T) {
	m := someRedis(t)
	keys := []string{"a", "b", "c"}
	Push{Addr: m.Addr(), Keys: keys, How: "rpush", Events: &numbers{users: 20}, N: 200}.Do(t)
	home, total := map[int]string{}, 0
	for _, key := range keys {
		items, err := m.List(key)
		if err != nil {
			t.Fatal(err)
		}
		total += len(items)
		for _, item := range items {
			var n int
			if _, err := fmt.Sscan(item, &n); err != nil {
				t.Fatal(err)
			}
			if known := home[n%20]; known != "" && known != key {
				t.Errorf("user %d is in %s and %s", n%20, known, key)
			}
			home[n%20] = key
		}
	}
	if total != 200 {
		t.Errorf("%d events", total)
	}
}

// A server that is away for a while, or refuses, gets each event once.
func TestPushOnce(t *testing.T) {
	m := someRedis(t)
	m.SetError("LOADING the dataset")
	p := Push{Addr: m.Addr(), Keys: []string{"k"}, How: "rpush", Events: &numbers{users: 1}, N: 1000, Rate: 10_000}.Start(t)
	m.SetError("")
	Eventually(t, 10*time.Second, "some are pushed", func() bool { return p.Pushed() >= 300 })
	m.Close()
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	p.Wait(t, 30*time.Second)
	if items, _ := m.List("k"); len(items) != 1000 || items[999] != "1000" {
		t.Errorf("%d events", len(items))
	}
}

func TestPushIsThrottled(t *testing.T) {
	m := someRedis(t)
	started := time.Now()
	Push{Addr: m.Addr(), Keys: []string{"k"}, How: "rpush", Events: &numbers{users: 1}, N: 100, Rate: 500, Chunk: 10}.Do(t)
	if took := time.Since(started); took < 200*time.Millisecond {
		t.Errorf("100 events at 500 a second took %v", took)
	}
}

func TestPushLingers(t *testing.T) {
	m := someRedis(t)
	over := make(chan struct{})
	p := Push{Addr: m.Addr(), Keys: []string{"k"}, How: "rpush", Events: &numbers{users: 1}, N: 5_000, Rate: 20_000, Linger: over}
	for _, c := range []struct {
		done int
		want time.Duration
	}{{100, 5 * time.Millisecond}, {3_900, 5 * time.Millisecond}, {4_000, 50 * time.Millisecond}} {
		if got := p.pause(100, c.done); got != c.want {
			t.Errorf("after %d: a pause of %v, want %v", c.done, got, c.want)
		}
	}
	pushing := p.Start(t)
	Eventually(t, 10*time.Second, "the last fifth begins", func() bool { return pushing.Pushed() >= 4_000 })
	close(over)
	if got := p.pause(100, 4_000); got != 5*time.Millisecond {
		t.Errorf("a pause of %v when nothing is waited for any more", got)
	}
	pushing.Wait(t, 10*time.Second)
	if items, _ := m.List("k"); len(items) != 5_000 {
		t.Errorf("%d events", len(items))
	}
}

// Producers go on after N until they are told to end, and stop in between with ctx.
func TestPushUntil(t *testing.T) {
	m := someRedis(t)
	over := make(chan struct{})
	p := Push{Addr: m.Addr(), Keys: []string{"k"}, How: "rpush", Events: &numbers{users: 3}, N: 25, Chunk: 10, Until: over}.Begin(t.Context())
	Eventually(t, time.Minute, "more than N are pushed", func() bool { return p.Pushed() > 100 })
	close(over)
	p.Wait(t, time.Minute)
	if got, _ := m.List("k"); len(got) != p.Pushed() {
		t.Errorf("%d events are there, %d are said to be", len(got), p.Pushed())
	}
	ctx, cancel := context.WithCancel(t.Context())
	p = Push{Addr: m.Addr(), Keys: []string{"k"}, How: "rpush", Events: &numbers{users: 3}, Until: make(chan struct{})}.Begin(ctx)
	cancel()
	if <-p.Done(); p.Err() == nil {
		t.Error("it was cut off, and says nothing")
	}
}
