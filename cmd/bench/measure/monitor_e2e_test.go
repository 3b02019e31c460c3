//go:build e2e

package measure

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func TestFirstCommandIsSeen(t *testing.T) {
	addr := pipelinetest.SharedRedis(t).Addr()
	client := redisOf(t, addr)
	seen, err := FirstCommand(t.Context(), addr, "lpos")
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	if err := client.LLen(t.Context(), "none").Err(); err != nil {
		t.Fatal(err)
	}
	client.LPos(t.Context(), "none", "x", redis.LPosArgs{})
	if at, ok := <-seen; !ok || at.Before(before) {
		t.Errorf("got %v, %v; want a time after %v", at, ok, before)
	}
}

func TestFirstCommandEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	seen, err := FirstCommand(ctx, pipelinetest.SharedRedis(t).Addr(), "never")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if at, ok := <-seen; ok {
		t.Errorf("it saw the command at %v", at)
	}
}
