//go:build e2e && unix

package redis

import (
	"testing"

	"github.com/penstock-io/penstock/pipeline/pipelinetest"
)

func places(t *testing.T) []place {
	return []place{{name: "real", addr: pipelinetest.SharedRedis(t).Addr(), real: true}}
}
