//go:build unix

package redis

import (
	"strings"
	"testing"
	"time"
)

// until waits until a condition holds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// awaitBlocked waits until a client is blocked in the server.
func (l *listTest) awaitBlocked() {
	l.t.Helper()
	if !l.place.real { // it cannot tell; the test is good either way
		return
	}
	until(l.t, "a client is blocked in BLMOVE", func() bool {
		clients, err := l.redis.ClientList(l.t.Context()).Result()
		must(l.t, err)
		return strings.Contains(clients, "cmd=blmove")
	})
}
