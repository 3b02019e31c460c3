//go:build e2e && unix

package redis

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func places(t *testing.T) []place {
	return []place{
		{name: "real", addr: pipelinetest.SharedRedis(t).Addr(), real: true},
		{name: "cluster", real: true, cluster: sharedCluster(t)},
	}
}

// startCluster starts the Cluster that the tests share. It ends with the process.
var startCluster = sync.OnceValues(func() (*pipelinetest.RedisCluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return pipelinetest.StartRedisCluster(ctx, 3, 0)
})

func sharedCluster(t *testing.T) *pipelinetest.RedisCluster {
	t.Helper()
	c, err := startCluster()
	must(t, err)
	return c
}
